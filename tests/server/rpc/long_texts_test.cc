// Windows, spans and what truncation says, over a real connection, with the fake model: a word is a token.
#include <gmock/gmock.h>

#include "tests/server/rpc/service_fixture.h"

namespace attendant::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LongTextsTest : public ServiceTest {
 protected:
  grpc::Status Embed() {
    response_.Clear();
    return ServiceTest::Embed(request_, &response_);
  }
  const v1::EmbedResult& result(int i) const { return response_.results(i); }
  static void AddSpan(int start, int end, v1::Item* item) {
    v1::Span* span = item->add_spans();
    span->set_start(start);
    span->set_end(end);
  }

  v1::EmbedRequest request_;
  v1::EmbedResponse response_;
};

TEST_F(LongTextsTest, TruncationSaysWhere) {
  config().limits.max_tokens_per_item = 2;
  StartServer();
  request_ = Texts({"w1 w20 w300 w4", "w1 w2"});
  ASSERT_TRUE(Embed().ok());
  EXPECT_EQ(result(0).tokens_dropped(), 2);
  EXPECT_TRUE(result(0).has_dropped_at());
  EXPECT_EQ(result(0).dropped_at(), 6);
  EXPECT_FALSE(result(1).has_dropped_at());
  request_.mutable_options()->set_truncation(v1::TRUNCATION_START);
  ASSERT_TRUE(Embed().ok());
  EXPECT_EQ(result(0).dropped_at(), 7) << "the first that was kept";
  request_.mutable_options()->set_truncation(v1::TRUNCATION_END);
  request_.mutable_options()->set_prompt_name("query");  // takes all the room
  ASSERT_TRUE(Embed().ok());
  EXPECT_EQ(result(0).dropped_at(), 0);
}

TEST_F(LongTextsTest, WindowsBecomeTheirMeanByTokens) {
  StartServer();
  request_ = Texts({"w1 w2 w3 w4 w5", "w7"});
  v1::EmbedOptions* options = request_.mutable_options();
  options->set_truncation(v1::TRUNCATION_WINDOW);
  options->mutable_window()->set_size(3);
  options->mutable_window()->set_overlap(1);
  options->set_normalize(false);
  ASSERT_TRUE(Embed().ok());
  // [3, 6] and [3, 12]: "w1 w2 w3", "w3 w4 w5".
  EXPECT_THAT(result(0).embedding().values(), ElementsAre(3, 9, 0, 0));
  EXPECT_THAT(result(0).embedding().shape(), ElementsAre(4));
  ASSERT_EQ(result(0).windows_size(), 2);
  EXPECT_EQ(result(0).windows(1).start(), 6);
  EXPECT_EQ(result(0).windows(1).end(), 14);
  EXPECT_EQ(result(0).tokens_used(), 6);
  EXPECT_EQ(result(0).tokens_dropped(), 0);
  EXPECT_THAT(result(1).embedding().values(), ElementsAre(1, 7, 0, 0));
  EXPECT_EQ(result(1).windows_size(), 1);
  options->mutable_window()->set_overlap(0);  // [3, 6] and [2, 9]
  ASSERT_TRUE(Embed().ok());
  EXPECT_THAT(result(0).embedding().values(),
              ElementsAre(FloatEq((3 * 3 + 2 * 2) / 5.0f), FloatEq((3 * 6 + 2 * 9) / 5.0f), 0, 0));
  options->set_normalize(true);
  ASSERT_TRUE(Embed().ok());
  const auto& unit = result(0).embedding().values();
  EXPECT_NEAR(unit[0] * unit[0] + unit[1] * unit[1], 1, 1e-6);
}

TEST_F(LongTextsTest, WindowsMayStayApart) {
  StartServer();
  request_ = Texts({"w1 w2 w3 w4 w5"});
  v1::EmbedOptions* options = request_.mutable_options();
  options->set_truncation(v1::TRUNCATION_WINDOW);
  options->mutable_window()->set_size(2);
  options->mutable_window()->set_each(true);
  options->set_encoding(v1::ENCODING_FLOAT32);
  ASSERT_TRUE(Embed().ok());
  EXPECT_THAT(result(0).embedding().shape(), ElementsAre(3, 4));
  EXPECT_EQ(result(0).embedding().packed().size(), 3u * 4 * 4);
  EXPECT_EQ(result(0).windows_size(), 3);
}

TEST_F(LongTextsTest, TooManyWindowsAndWrongOnesAreTheItemsError) {
  config().limits.max_windows_per_item = 3;
  StartServer();
  request_ = Texts({"w1 w2 w3 w4 w5", "w1"});
  v1::EmbedOptions* options = request_.mutable_options();
  options->set_truncation(v1::TRUNCATION_WINDOW);
  options->mutable_window()->set_size(1);
  ASSERT_TRUE(Embed().ok());
  EXPECT_EQ(result(0).status().field(), "items[0].text");
  EXPECT_FALSE(result(1).has_status());
  options->mutable_window()->set_overlap(1);
  ASSERT_TRUE(Embed().ok());
  EXPECT_EQ(result(0).status().field(), "options.window.overlap");
}

TEST_F(LongTextsTest, AFailedWindowFailsItsItemOnly) {
  StartServer();
  request_ = Texts({"w1 w2 w666 w4", "w1 w2 w3"});
  request_.mutable_options()->set_truncation(v1::TRUNCATION_WINDOW);
  request_.mutable_options()->mutable_window()->set_size(2);
  ASSERT_TRUE(Embed().ok());
  EXPECT_EQ(result(0).status().code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(result(0).windows(), IsEmpty());
  EXPECT_FALSE(result(0).has_embedding());
  EXPECT_FALSE(result(1).has_status());
}

TEST_F(LongTextsTest, SpansAreFoundInTheTextBehindItsPrompt) {
  StartServer();
  request_ = Texts({"w1 w20 w300"});
  v1::EmbedOptions* options = request_.mutable_options();
  options->set_output(v1::OUTPUT_SPANS);
  options->add_additional_outputs(v1::OUTPUT_POOLED);
  AddSpan(0, 2, request_.mutable_items(0));
  AddSpan(4, 8, request_.mutable_items(0));
  ASSERT_TRUE(Embed().ok());
  ASSERT_FALSE(result(0).has_status()) << result(0).status().message();
  EXPECT_THAT(result(0).embedding().shape(), ElementsAre(2, 4));
  EXPECT_THAT(result(0).embedding().values(), ElementsAre(3, 321, 0, 1, 3, 321, 1, 3));
  EXPECT_THAT(result(0).additional(0).shape(), ElementsAre(4));
  options->set_prompt_name("query");  // two tokens
  ASSERT_TRUE(Embed().ok());
  EXPECT_THAT(result(0).embedding().values(), ElementsAre(5, 324, 2, 3, 5, 324, 3, 5));
}

TEST_F(LongTextsTest, WrongSpansAreNamed) {
  config().limits.max_tokens_per_item = 4;
  config().limits.max_spans_per_item = 2;
  StartServer();
  request_ = Texts({"w1  w2 w3 w4 w5"});
  v1::Item* item = request_.mutable_items(0);
  request_.mutable_options()->set_output(v1::OUTPUT_SPANS);
  const auto field = [&] {
    EXPECT_TRUE(Embed().ok());
    return result(0).status().field();
  };
  EXPECT_EQ(field(), "items[0].spans");
  AddSpan(0, 2, item);
  AddSpan(2, 4, item);  // spaces
  EXPECT_EQ(field(), "items[0].spans[1]");
  EXPECT_THAT(result(0).status().message(), HasSubstr("no token"));
  const std::pair<int, int> wrong[] = {{5, 5}, {-1, 3}, {5, 2}, {2, 2'000'000'000}, {10, 15}};
  for (const auto& [start, end] : wrong) {
    item->mutable_spans(1)->set_start(start);
    item->mutable_spans(1)->set_end(end);
    EXPECT_EQ(field(), "items[0].spans[1]") << start << " " << end;
  }
  EXPECT_THAT(result(0).status().message(), HasSubstr("was cut at 12"));
  AddSpan(0, 2, item);
  EXPECT_EQ(field(), "items[0].spans");
  EXPECT_THAT(result(0).status().message(), HasSubstr("--max-spans-per-item"));
  request_.mutable_options()->set_output(v1::OUTPUT_POOLED);
  EXPECT_EQ(field(), "items[0].spans");
  request_.mutable_options()->set_output(v1::OUTPUT_SPANS);
  item->mutable_tokens()->add_input_ids(5);
  EXPECT_EQ(field(), "items[0].spans");
}

TEST_F(LongTextsTest, RankTakesLongTextsInWindows) {
  StartServer();
  v1::RankRequest rank;
  rank.mutable_query()->set_text("w3");
  rank.set_query_prompt_text("");
  std::string text = "w3";
  for (int i = 0; i < 40; ++i) text += " w3";
  rank.add_items()->set_text(text);
  rank.set_truncation(v1::TRUNCATION_WINDOW);
  v1::RankResponse ranked;
  ASSERT_TRUE(stub().Rank(Context().get(), rank, &ranked).ok());
  ASSERT_EQ(ranked.results_size(), 1);
  EXPECT_THAT(ranked.results(0).score(), FloatEq(1.0f));
}

}  // namespace
}  // namespace attendant::testing
