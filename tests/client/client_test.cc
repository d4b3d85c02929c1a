// The unary calls against a server in this process, faults included.
#include "client/lib/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/fake_server.h"

namespace attendant::client {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Short waits: the tests' time is real here, only the shape of the retries matters.
ClientOptions FastOptions(const std::string& target) {
  ClientOptions options;
  options.target = target;
  options.retry.initial_backoff = milliseconds(2);
  options.jitter_seed = 1;
  return options;
}

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() : client_(*Client::Create(FastOptions(server_.address()))) {}

  FakeServer server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, EmbedsEveryKindOfItem) {
  const std::vector<Item> items = {std::string("text"), TextPair{"a", "b"}, TokenIds{{101, 7, 102}, {0, 0, 1}, false}};
  const auto reply = client_->Embed(items, {.include_metadata = true});
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->results.size(), 3u);
  for (size_t i = 0; i < items.size(); ++i) EXPECT_EQ(reply->results[i].values, FakeVector(items[i])) << i;
  EXPECT_THAT(reply->results[0].shape, ElementsAre(kFakeDimension));
  EXPECT_EQ(reply->model_fingerprint, "f00d");
  ASSERT_TRUE(reply->metadata.has_value());
  EXPECT_EQ(reply->metadata->compute_us, 700);
}

TEST_F(ClientTest, EveryCallHasADeadline) {
  ASSERT_TRUE(client_->Embed({std::string("x")}, {}).ok());
  ASSERT_TRUE(server_.last_deadline().has_value());
  // gRPC writes a deadline with three digits, rounded up.
  EXPECT_LE(*server_.last_deadline(), milliseconds(30'300));
  ASSERT_TRUE(client_->Embed({std::string("x")}, {}, {.timeout = milliseconds(700)}).ok());
  EXPECT_LE(*server_.last_deadline(), milliseconds(707));
  ASSERT_TRUE(client_->ListModels().ok());
  EXPECT_TRUE(server_.last_deadline().has_value());
}

TEST_F(ClientTest, ASlowServerMeetsTheDeadline) {
  server_.AddFault({.kind = FakeFault::Kind::kHang});
  const auto reply = client_->Embed({std::string("x")}, {}, {.timeout = milliseconds(50)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(reply.status())) << reply.status();
}

TEST_F(ClientTest, TriesAgainAfterRefusals) {
  server_.AddFault({.code = absl::StatusCode::kUnavailable}, 2);
  server_.AddFault({.code = absl::StatusCode::kResourceExhausted, .retry_after = milliseconds(20)});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(client_->Embed({std::string("x")}, {}).ok());
  EXPECT_EQ(server_.calls(), 4);
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(20));
}

TEST_F(ClientTest, DoesNotWaitForAHintBeyondTheDeadline) {
  server_.AddFault({.code = absl::StatusCode::kResourceExhausted, .retry_after = milliseconds(60'000)});
  const auto reply = client_->Embed({std::string("x")}, {}, {.timeout = milliseconds(10'000)});
  EXPECT_TRUE(absl::IsResourceExhausted(reply.status()));
  EXPECT_EQ(RetryAfter(reply.status()), milliseconds(60'000));
  EXPECT_THAT(std::string(reply.status().message()), HasSubstr("Embed at " + server_.address() + ": injected"));
}

TEST_F(ClientTest, DoesNotRepeatWhatCannotWork) {
  server_.AddFault({.code = absl::StatusCode::kInvalidArgument});
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Embed({std::string("x")}, {}).status()));
  EXPECT_EQ(server_.calls(), 1);
}

TEST_F(ClientTest, AnUnreachableServerIsUnavailableSoon) {
  const std::string address = FakeServer().address();  // free again by now
  const auto client = *Client::Create(FastOptions(address));
  EXPECT_TRUE(absl::IsUnavailable(client->ListModels().status()));
}

TEST_F(ClientTest, ItemsThatProtobufWouldRefuseFailAlone) {
  const auto reply =
      client_->Embed({std::string("ok"), std::string("\xFF"), std::string(" "), std::string("fine")}, {});
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->results.size(), 4u);
  EXPECT_TRUE(reply->results[0].status.ok());
  EXPECT_THAT(std::string(reply->results[1].status.message()), HasSubstr("not valid UTF-8"));
  EXPECT_EQ(reply->results[2].field, "items[2].text");  // the second that the server saw
  EXPECT_EQ(reply->results[3].values, FakeVector(std::string("fine")));
  const auto hopeless = client_->Embed({std::string("\xFF")}, {});
  ASSERT_TRUE(hopeless.ok());
  EXPECT_FALSE(hopeless->results[0].status.ok());
}

TEST_F(ClientTest, NoItemsIsTheServersErrorToTell) {
  EXPECT_TRUE(absl::IsInvalidArgument(client_->Embed({}, {}).status()));
}

TEST_F(ClientTest, AWrongNumberOfResultsIsInternal) {
  server_.AddFault({.kind = FakeFault::Kind::kDropResult});
  EXPECT_TRUE(absl::IsInternal(client_->Embed({std::string("x"), std::string("y")}, {}).status()));
}

TEST_F(ClientTest, Tokenizes) {
  const auto reply = client_->Tokenize({std::string("hi"), std::string(" ")}, {});
  ASSERT_TRUE(reply.ok()) << reply.status();
  ASSERT_EQ(reply->results[0].tokens.size(), 2u);
  EXPECT_EQ(reply->results[0].tokens[1].id, 'i');
  EXPECT_EQ(reply->results[0].tokens[1].start, 1);
  EXPECT_TRUE(absl::IsInvalidArgument(reply->results[1].status));
}

TEST_F(ClientTest, CollectsAttention) {
  const auto map = client_->GetAttention(std::string("x"), {.layers = {0, 1}});
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->shape, ElementsAre(2, 2, 5, 5));
  ASSERT_EQ(map->values.size(), 100u);
  EXPECT_FLOAT_EQ(map->values[6], 0.6f);
  const auto reduced = client_->GetAttention(std::string("x"), {.layers = {1}, .reduction = HeadReduction::kMean});
  ASSERT_TRUE(reduced.ok());
  EXPECT_THAT(reduced->shape, ElementsAre(1, 1, 5, 5));
}

TEST_F(ClientTest, AttentionWithAGapIsAnErrorNotAWrongMap) {
  server_.AddFault({.kind = FakeFault::Kind::kAttentionGap});
  EXPECT_TRUE(absl::IsInternal(client_->GetAttention(std::string("x"), {}).status()));
}

TEST_F(ClientTest, AttentionIsRetriedAsAWhole) {
  server_.AddFault({.code = absl::StatusCode::kUnavailable});
  EXPECT_TRUE(client_->GetAttention(std::string("x"), {}).ok());
}

TEST_F(ClientTest, AttentionIsBounded) {
  ClientOptions options = FastOptions(server_.address());
  options.max_attention_bytes = 100;
  const auto client = *Client::Create(options);
  EXPECT_TRUE(absl::IsResourceExhausted(client->GetAttention(std::string("x"), {}).status()));
}

TEST_F(ClientTest, TellsModelsAndLimits) {
  server_.SetLimits({.max_items_per_request = 77});
  const auto model = client_->GetModel("");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->limits.max_items_per_request, 77);
  EXPECT_THAT(model->pooling, ElementsAre(Pooling::kMean));
  EXPECT_EQ((*client_->ListModels())[0].name, "fake");
  EXPECT_TRUE(absl::IsNotFound(client_->GetModel("other").status()));
}

TEST_F(ClientTest, Health) {
  EXPECT_EQ(*client_->Health(""), ServingStatus::kServing);
  EXPECT_EQ(*client_->Health("attendant.v1.EmbeddingService"), ServingStatus::kServing);
  EXPECT_TRUE(absl::IsNotFound(client_->Health("no.such.Service").status()));
  server_.SetServing(false);
  EXPECT_EQ(*client_->Health(""), ServingStatus::kNotServing);
}

TEST(ClientCreateTest, RefusesContradictions) {
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Create({.target = ""}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Create({.default_timeout = milliseconds(0)}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Create({.max_message_bytes = 10}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Create({.retry = {.max_attempts = 0}}).status()));
}

}  // namespace
}  // namespace attendant::client
