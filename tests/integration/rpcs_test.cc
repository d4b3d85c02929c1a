// Every RPC once through the client library, on a real model.
#include <cmath>
#include <numeric>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"

namespace attendant {
namespace {

using client::Item;
using testing::AllOf;
using testing::HasSubstr;

class RpcsTest : public InProcessTest {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(StartServer()); }
};

double Norm(const std::vector<float>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

TEST_F(RpcsTest, Embed) {
  const std::vector<Item> items = {"The cat sits on the mat.", client::TextPair{"What is water?", "A river."},
                                   client::TokenIds{.input_ids = {2, 7, 9, 3}}, "   ",
                                   client::TokenIds{.input_ids = {2, 1'000'000}}};
  const auto reply = client_->Embed(items, {.include_metadata = true});
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->model, "tiny-mean");
  EXPECT_EQ(reply->model_fingerprint, embedder_->info().fingerprint);
  ASSERT_EQ(reply->results.size(), items.size());
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(reply->results[i].status.ok()) << reply->results[i].status;
    EXPECT_THAT(reply->results[i].shape, testing::ElementsAre(32));
    EXPECT_EQ(reply->results[i].values.size(), 32u);
    EXPECT_GT(reply->results[i].tokens_used, 0);
    EXPECT_GT(Norm(reply->results[i].values), 0);
  }
  // What is wrong with one item is that item's alone, and says where.
  EXPECT_TRUE(absl::IsInvalidArgument(reply->results[3].status));
  EXPECT_EQ(reply->results[3].field, "items[3].text");
  EXPECT_TRUE(absl::IsInvalidArgument(reply->results[4].status));
  EXPECT_EQ(reply->results[4].field, "items[4].tokens.input_ids[1]");
  ASSERT_TRUE(reply->metadata.has_value());
  EXPECT_GE(reply->metadata->total_us, reply->metadata->compute_us);
  EXPECT_GT(reply->metadata->batch_tokens, 0);
}

TEST_F(RpcsTest, EmbedOptions) {
  const Item item = "the old house was small";
  const auto tokens = client_->Embed({item}, {.output = client::Output::kTokens});
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_THAT(tokens->results[0].shape, testing::ElementsAre(tokens->results[0].tokens_used, 32));
  const auto both = client_->Embed({item}, {.pooling = {client::Pooling::kMean, client::Pooling::kCls}});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->results[0].values.size(), 64u);
  const auto normalized = client_->Embed({item}, {.normalize = true});
  ASSERT_TRUE(normalized.ok()) << normalized.status();
  EXPECT_NEAR(Norm(normalized->results[0].values), 1.0, 1e-5);
  const auto plain = client_->Embed({item}, {});
  const auto prompted = client_->Embed({item}, {.prompt = {.prompt_name = "query"}});
  ASSERT_TRUE(prompted.ok() && plain.ok());
  EXPECT_NE(prompted->results[0].values, plain->results[0].values);
}

TEST_F(RpcsTest, EncodedCutAndWindowedVectors) {
  const Item item = "the old house was small";
  const auto plain = client_->Embed({item}, {});
  const auto packed = client_->Embed({item}, {.encoding = client::Encoding::kFloat32});
  ASSERT_TRUE(plain.ok() && packed.ok());
  const std::vector<float>& values = plain->results[0].values;
  EXPECT_EQ(packed->results[0].packed,
            std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  EXPECT_TRUE(packed->results[0].values.empty());
  const auto bits = client_->Embed({item}, {.encoding = client::Encoding::kUbinary});
  ASSERT_TRUE(bits.ok());
  EXPECT_EQ(bits->results[0].packed.size(), 4u);
  EXPECT_FALSE(client_->Embed({item}, {.dimensions = 5}).ok());
  const auto cut = client_->Embed({item}, {.dimensions = 5, .allow_untrained_dimensions = true});
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->results[0].values.size(), 5u);
  EXPECT_TRUE(cut->untrained_dimensions);
  std::string text = "cat";
  for (int i = 0; i < 100; ++i) text += " dog";
  const auto whole = client_->Embed({Item(text)}, {});
  ASSERT_TRUE(whole.ok());
  EXPECT_GT(whole->results[0].tokens_dropped, 0);
  EXPECT_TRUE(whole->results[0].dropped_at.has_value());
  const auto windows = client_->Embed({Item(text)}, {.truncation = client::Truncation::kWindow,
                                                     .window = client::WindowOptions{.size = 32, .each = true}});
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_EQ(windows->results[0].tokens_dropped, 0);
  ASSERT_EQ(windows->results[0].shape.size(), 2u);
  EXPECT_GT(windows->results[0].shape[0], 3);
}

TEST_F(RpcsTest, RankAndSimilarity) {
  const std::vector<Item> items = {"what is water", "the cat sits", "", "a red house"};
  const client::PromptOptions none{.prompt_text = ""};
  const auto ranked = client_->Rank("the cat sits", items, {.query_prompt = none, .item_prompt = none});
  ASSERT_TRUE(ranked.ok()) << ranked.status();
  ASSERT_EQ(ranked->results.size(), 3u);
  EXPECT_EQ(ranked->results[0].index, 1);
  EXPECT_EQ(ranked->results[0].score, 1.0f);
  ASSERT_EQ(ranked->failures.size(), 1u);
  EXPECT_EQ(ranked->failures[0].field, "items[2].text");
  const auto matrix = client_->Similarity(items, {items[0], items[1]}, {});
  ASSERT_TRUE(matrix.ok()) << matrix.status();
  EXPECT_EQ(matrix->rows, 4);
  EXPECT_EQ(matrix->columns, 2);
  EXPECT_EQ(matrix->values[0], 1.0f);
  EXPECT_EQ(matrix->values[1], matrix->values[2]);
  EXPECT_TRUE(std::isnan(matrix->values[4]));
}

TEST_F(RpcsTest, EmbedAllOverTheStream) {
  int64_t next = 0;
  const client::ItemSource source = [&]() -> std::optional<absl::StatusOr<Item>> {
    if (next == 500) return std::nullopt;
    return Item("text number " + std::to_string(next++));
  };
  std::vector<client::EmbedResult> results;
  const client::ResultSink sink = [&](int64_t first, std::vector<client::EmbedResult> some) {
    EXPECT_EQ(first, static_cast<int64_t>(results.size()));
    for (auto& result : some) results.push_back(std::move(result));
    return absl::OkStatus();
  };
  const auto summary = client_->EmbedAll(source, sink, {});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->items, 500);
  EXPECT_EQ(summary->failed_items, 0);
  ASSERT_EQ(results.size(), 500u);
  const auto alone = client_->Embed({Item("text number 123")}, {});
  ASSERT_TRUE(alone.ok());
  EXPECT_EQ(results[123].values, alone->results[0].values);
}

TEST_F(RpcsTest, Tokenize) {
  const auto reply = client_->Tokenize({"The cat sits", ""}, {});
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->results.size(), 2u);
  const std::vector<client::Token>& tokens = reply->results[0].tokens;
  ASSERT_GE(tokens.size(), 5u);
  EXPECT_TRUE(tokens.front().special && tokens.back().special);
  EXPECT_FALSE(tokens[1].special);
  EXPECT_EQ(tokens[1].start, 0);
  EXPECT_EQ(tokens[1].end, 3);
  EXPECT_FALSE(reply->results[1].status.ok());
}

TEST_F(RpcsTest, TokenizedIdsEmbedToTheSameBytes) {
  const Item text = "A dog runs fast to the river bank!";
  const auto tokens = client_->Tokenize({text}, {});
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  client::TokenIds ids;
  for (const client::Token& token : tokens->results[0].tokens) ids.input_ids.push_back(token.id);
  const auto reply = client_->Embed({text, ids}, {});
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->results[0].values, reply->results[1].values);
}

TEST_F(RpcsTest, GetAttention) {
  const auto map = client_->GetAttention("The cat sits on the mat.", {.layers = {1}, .heads = {0, 2}});
  ASSERT_TRUE(map.ok()) << map.status();
  const auto tokens = static_cast<int32_t>(map->tokens.size());
  EXPECT_THAT(map->shape, testing::ElementsAre(1, 2, tokens, tokens));
  ASSERT_EQ(map->values.size(), static_cast<size_t>(2 * tokens * tokens));
  for (size_t row = 0; row < map->values.size(); row += static_cast<size_t>(tokens)) {
    const auto begin = map->values.begin() + static_cast<std::ptrdiff_t>(row);
    EXPECT_NEAR(std::accumulate(begin, begin + tokens, 0.0), 1.0, 1e-5);
  }
}

TEST_F(RpcsTest, Models) {
  const auto models = client_->ListModels();
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 1u);
  const client::ModelInfo& model = models->front();
  EXPECT_EQ(model.name, "tiny-mean");
  EXPECT_EQ(model.dimension, 32);
  EXPECT_EQ(model.num_layers, 2);
  EXPECT_EQ(model.num_heads, 4);
  EXPECT_EQ(model.prompts.at("query"), "query: ");
  EXPECT_EQ(model.limits.max_items_per_request, config_.limits.max_items_per_request);
  const auto same = client_->GetModel("tiny-mean");
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->fingerprint, model.fingerprint);
}

TEST_F(RpcsTest, Health) {
  const auto overall = client_->Health("");
  ASSERT_TRUE(overall.ok()) << overall.status();
  EXPECT_EQ(*overall, client::ServingStatus::kServing);
  const auto service = client_->Health("attendant.v1.EmbeddingService");
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(*service, client::ServingStatus::kServing);
  const auto unknown = client_->Health("no.such.Service");
  EXPECT_TRUE(!unknown.ok() || *unknown == client::ServingStatus::kServiceUnknown);
}

}  // namespace
}  // namespace attendant
