// Rank and Similarity over a real connection, with the fake model: vectors are [number of tokens, sum of ids, 0, 0].
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/server/rpc/service_fixture.h"

namespace attendant::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;

class CompareTest : public ServiceTest {
 protected:
  grpc::Status Rank() {
    ranked_.Clear();
    return stub().Rank(Context().get(), rank_, &ranked_);
  }
  grpc::Status Similarity() {
    matrix_.Clear();
    return stub().Similarity(Context().get(), similarity_, &matrix_);
  }
  std::vector<int> Order() const {
    std::vector<int> order;
    for (const v1::RankResult& result : ranked_.results()) order.push_back(result.index());
    return order;
  }
  static void SetVector(std::initializer_list<float> values, v1::Item* item) {
    item->mutable_vector()->clear_values();
    for (const float value : values) item->mutable_vector()->add_values(value);
  }

  v1::RankRequest rank_;
  v1::RankResponse ranked_;
  v1::SimilarityRequest similarity_;
  v1::SimilarityResponse matrix_;
};

TEST_F(CompareTest, RanksTextsByTheModelsSimilarity) {
  StartServer();
  rank_.mutable_query()->set_text("w4");  // with its prompt [3, 7]
  for (const char* text : {"w900", "w2 w3", "w1 w4 w2"}) rank_.add_items()->set_text(text);
  rank_.set_include_metadata(true);
  ASSERT_TRUE(Rank().ok());
  EXPECT_EQ(ranked_.model(), "fake");
  EXPECT_EQ(ranked_.model_fingerprint(), "f00d");
  EXPECT_EQ(ranked_.function(), v1::SIMILARITY_FUNCTION_COSINE);
  // [1, 900], [2, 5], [3, 7]
  EXPECT_THAT(Order(), ElementsAre(2, 1, 0));
  EXPECT_EQ(ranked_.results(0).score(), 1.0f);
  EXPECT_THAT(ranked_.results(1).score(), FloatEq(41.0f / std::sqrt(58.0f * 29.0f)));
  EXPECT_GT(ranked_.metadata().batch_tokens(), 0);
  rank_.set_top_k(1);
  ASSERT_TRUE(Rank().ok());
  EXPECT_THAT(Order(), ElementsAre(2));
  rank_.set_function(v1::SIMILARITY_FUNCTION_DOT);
  ASSERT_TRUE(Rank().ok());
  EXPECT_THAT(Order(), ElementsAre(0));
  EXPECT_EQ(ranked_.results(0).score(), 3 + 7 * 900);
}

TEST_F(CompareTest, EqualScoresKeepTheItemsOrder) {
  StartServer();
  SetVector({1, 2}, rank_.mutable_query());
  for (int i = 0; i < 40; ++i) SetVector({i % 2 == 0 ? 2.0f : 1.0f, 4}, rank_.add_items());
  rank_.set_top_k(30);
  ASSERT_TRUE(Rank().ok());
  ASSERT_EQ(ranked_.results_size(), 30);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ranked_.results(i).index(), 2 * i);
  for (int i = 20; i < 30; ++i) EXPECT_EQ(ranked_.results(i).index(), 2 * (i - 20) + 1);
}

TEST_F(CompareTest, VectorsAndTextsMixAndBadOnesFailAlone) {
  StartServer();
  rank_.mutable_query()->set_text("w1 w2");
  rank_.set_query_prompt_text("");  // [2, 3, 0, 0]
  SetVector({2, 3, 0, 0}, rank_.add_items());
  rank_.add_items()->set_text(" ");
  SetVector({2, 3}, rank_.add_items());
  SetVector({2, 3, 0, std::numeric_limits<float>::infinity()}, rank_.add_items());
  rank_.add_items();
  rank_.add_items()->set_text("w7");
  rank_.add_items()->mutable_vector();
  ASSERT_TRUE(Rank().ok());
  EXPECT_THAT(Order(), ElementsAre(0, 5));
  ASSERT_EQ(ranked_.failures_size(), 5);
  const int indices[] = {1, 2, 3, 4, 6};
  const char* const fields[] = {"items[1].text", "items[2].vector", "items[3].vector", "items[4]", "items[6].vector"};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ranked_.failures(i).index(), indices[i]);
    EXPECT_EQ(ranked_.failures(i).status().field(), fields[i]);
    EXPECT_EQ(ranked_.failures(i).status().code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(CompareTest, ABadQueryFailsTheCall) {
  StartServer();
  rank_.add_items()->set_text("w1");
  EXPECT_EQ(FieldOf(Rank()), "query");
  rank_.mutable_query()->set_text(" ");
  EXPECT_EQ(FieldOf(Rank()), "query.text");
  SetVector({1}, rank_.mutable_query());
  EXPECT_EQ(FieldOf(Rank()), "query.vector");
  rank_.mutable_query()->set_text("w1");
  rank_.set_top_k(-1);
  EXPECT_EQ(FieldOf(Rank()), "top_k");
  rank_.set_top_k(0);
  rank_.set_function(static_cast<v1::SimilarityFunction>(9));
  EXPECT_EQ(FieldOf(Rank()), "function");
  rank_.clear_function();
  rank_.set_query_prompt_name("other");
  EXPECT_EQ(FieldOf(Rank()), "query_prompt_name");
  rank_.set_query_prompt_name("query");
  rank_.set_item_prompt_text(std::string(5000, 'p'));
  EXPECT_EQ(FieldOf(Rank()), "item_prompt_text");
  rank_.clear_item_prompt();
  rank_.set_dimensions(3);
  EXPECT_EQ(FieldOf(Rank()), "dimensions");
  rank_.set_allow_untrained_dimensions(true);
  EXPECT_TRUE(Rank().ok());
  EXPECT_TRUE(ranked_.untrained_dimensions());
  rank_.set_truncation(static_cast<v1::Truncation>(99));
  EXPECT_EQ(FieldOf(Rank()), "truncation");
  rank_.clear_truncation();
  rank_.set_model("other");
  EXPECT_EQ(Rank().error_code(), grpc::StatusCode::NOT_FOUND);
  rank_.clear_items();
  rank_.clear_model();
  EXPECT_EQ(FieldOf(Rank()), "items");
}

TEST_F(CompareTest, EmbedTakesNoVector) {
  StartServer();
  v1::EmbedRequest request = Texts({"w1"});
  SetVector({1, 2, 3, 4}, request.add_items());
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.results(1).status().field(), "items[1].vector");
  EXPECT_THAT(response.results(1).status().message(), HasSubstr("Rank and Similarity"));
}

TEST_F(CompareTest, SimilarityOfOneListIsSymmetric) {
  StartServer();
  for (const char* text : {"w3", " ", "w1 w9"}) similarity_.add_items()->set_text(text);
  ASSERT_TRUE(Similarity().ok());
  EXPECT_EQ(matrix_.rows(), 3);
  EXPECT_EQ(matrix_.columns(), 3);
  ASSERT_EQ(matrix_.values_size(), 9);
  EXPECT_EQ(matrix_.values(0), 1.0f);
  EXPECT_EQ(matrix_.values(2), matrix_.values(6));
  EXPECT_THAT(matrix_.values(2), FloatEq(32.0f / std::sqrt(10.0f * 104.0f)));
  for (const int failed : {1, 3, 4, 5, 7}) EXPECT_TRUE(std::isnan(matrix_.values(failed))) << failed;
  ASSERT_EQ(matrix_.failures_size(), 1);
  EXPECT_EQ(matrix_.failures(0).status().field(), "items[1].text");
  EXPECT_TRUE(matrix_.others_failures().empty());
}

TEST_F(CompareTest, SimilarityOfTwoListsEachWithItsPrompt) {
  StartServer();
  similarity_.add_items()->set_text("w3");
  similarity_.set_prompt_name("query");  // [3, 6]
  SetVector({1, 0, 0, 0}, similarity_.add_others());
  similarity_.add_others()->set_text("w5");  // [1, 5]
  SetVector({1, 0, 0}, similarity_.add_others());
  similarity_.set_function(v1::SIMILARITY_FUNCTION_DOT);
  ASSERT_TRUE(Similarity().ok());
  EXPECT_EQ(matrix_.rows(), 1);
  EXPECT_EQ(matrix_.columns(), 3);
  EXPECT_EQ(matrix_.values(0), 3);
  EXPECT_EQ(matrix_.values(1), 33);
  EXPECT_TRUE(std::isnan(matrix_.values(2)));
  ASSERT_EQ(matrix_.others_failures_size(), 1);
  EXPECT_EQ(matrix_.others_failures(0).index(), 2);
  EXPECT_EQ(matrix_.others_failures(0).status().field(), "others[2].vector");
  similarity_.clear_others();
  similarity_.set_others_prompt_name("query");
  EXPECT_EQ(FieldOf(Similarity()), "others");
}

TEST_F(CompareTest, LimitsNameTheirFlag) {
  config().limits.max_items_per_request = 3;
  config().limits.max_message_bytes = config().limits.max_text_bytes = config().limits.max_prompt_bytes = 2048;
  StartServer();
  rank_.mutable_query()->set_text("w1");
  for (int i = 0; i < 3; ++i) rank_.add_items()->set_text("w2");
  EXPECT_TRUE(Rank().ok()) << "the query is not one of the items";
  rank_.add_items()->set_text("w2");
  EXPECT_THAT(Rank().error_message(), HasSubstr("--max-items-per-request"));
  for (int i = 0; i < 3; ++i) similarity_.add_items()->set_text("w2");
  for (int i = 0; i < 4; ++i) similarity_.add_others()->set_text("w2");
  const grpc::Status status = Similarity();
  EXPECT_EQ(FieldOf(status), "others");
  EXPECT_THAT(status.error_message(), HasSubstr("--max-items-per-request"));
}

TEST_F(CompareTest, AMatrixAboveTheMessageLimitIsRefusedBeforeTheWork) {
  config().limits.max_message_bytes = config().limits.max_text_bytes = config().limits.max_prompt_bytes = 1024;
  StartServer();
  for (int i = 0; i < 17; ++i) similarity_.add_items()->set_text("w" + std::to_string(i));
  const grpc::Status status = Similarity();
  EXPECT_EQ(FieldOf(status), "items");
  EXPECT_THAT(status.error_message(), HasSubstr("--max-message-bytes"));
  similarity_.mutable_items()->RemoveLast();
  EXPECT_TRUE(Similarity().ok());
}

TEST_F(CompareTest, LargeMatricesAreMadeOnThePool) {
  StartServer();
  for (int i = 0; i < 400; ++i) SetVector({1.0f + static_cast<float>(i), 2, 3, 4}, similarity_.add_items());
  ASSERT_TRUE(Similarity().ok());
  ASSERT_EQ(matrix_.values_size(), 160'000);
  for (int i = 0; i < 400; ++i) EXPECT_EQ(matrix_.values(401 * i), 1.0f);
}

TEST_F(CompareTest, DeadlinesHoldHereToo) {
  StartServer();
  gate().Close();
  rank_.mutable_query()->set_text("w1");
  rank_.add_items()->set_text("w2");
  const auto context = Context();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(stub().Rank(context.get(), rank_, &ranked_).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  gate().Open();
}

}  // namespace
}  // namespace attendant::testing
