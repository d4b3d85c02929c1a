// EmbedAll and the bare stream against a server in this process, faults included.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/lib/client.h"
#include "tests/client/fake_server.h"

namespace attendant::client {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class ClientBulkTest : public ::testing::Test {
 protected:
  ClientBulkTest() {
    client_ = *Client::Create(Options(server_.address()));
    options_.max_batch_items = 5;
    options_.max_in_flight = 4;
    options_.progress_timeout = milliseconds(20'000);
  }

  static ClientOptions Options(const std::string& target) {
    ClientOptions options;
    options.target = target;
    options.retry.initial_backoff = milliseconds(5);
    options.retry.max_backoff = milliseconds(100);
    options.jitter_seed = 1;
    return options;
  }

  static Item ItemAt(int index) { return "text number " + std::to_string(index); }

  absl::StatusOr<BulkSummary> Run(int count) {
    int next = 0;
    return client_->EmbedAll(
        [&]() -> std::optional<absl::StatusOr<Item>> {
          if (next == count) return std::nullopt;
          return absl::StatusOr<Item>(ItemAt(next++));
        },
        [this](int64_t first_index, std::vector<EmbedResult> results) {
          EXPECT_EQ(first_index, static_cast<int64_t>(received_.size()));
          for (EmbedResult& result : results) received_.push_back(std::move(result));
          if (on_results_) on_results_();
          return absl::OkStatus();
        },
        options_);
  }

  void ExpectAll(int count) {
    ASSERT_EQ(received_.size(), static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) EXPECT_EQ(received_[i].values, FakeVector(ItemAt(i))) << i;
  }

  FakeServer server_;
  std::unique_ptr<Client> client_;
  BulkOptions options_;
  std::vector<EmbedResult> received_;
  std::function<void()> on_results_;
};

TEST_F(ClientBulkTest, EmbedsInOrder) {
  options_.embed.include_metadata = true;
  const auto summary = Run(203);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(203);
  EXPECT_EQ(summary->batches, 41);
  EXPECT_EQ(summary->cost.compute_us, 41 * 700);
  EXPECT_EQ(server_.largest_batch(), 5);
  EXPECT_EQ(server_.streams(), 1);
}

TEST_F(ClientBulkTest, AnswersOutOfOrderComeOutInOrderAndTheWindowIsUsed) {
  server_.AnswerInReverse(4);
  const auto summary = Run(8 * 4 * 5);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(8 * 4 * 5);
  EXPECT_EQ(server_.most_in_flight(), 4);
}

TEST_F(ClientBulkTest, KeepsWithinTheServersLimits) {
  server_.SetLimits({.max_items_per_request = 2, .max_in_flight_per_stream = 1});
  ASSERT_TRUE(Run(21).ok());
  ExpectAll(21);
  EXPECT_EQ(server_.largest_batch(), 2);
}

TEST_F(ClientBulkTest, ResendsAfterRefusalsWithHints) {
  server_.SkipBeforeFaults(3);
  server_.AddFault({.code = absl::StatusCode::kResourceExhausted, .retry_after = milliseconds(10)}, 3);
  const auto summary = Run(100);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(100);
  EXPECT_EQ(summary->resent_batches, 3);
  EXPECT_EQ(server_.streams(), 1);
}

TEST_F(ClientBulkTest, ResendsAfterBrokenStreams) {
  for (int i = 0; i < 3; ++i) {
    server_.AddFault({.kind = FakeFault::Kind::kBreakStream, .code = absl::StatusCode::kUnavailable});
    server_.AddFault({.kind = FakeFault::Kind::kBreakStream, .code = absl::StatusCode::kInternal});
  }
  server_.SkipBeforeFaults(2);
  client_ = *Client::Create([this] {
    ClientOptions options = Options(server_.address());
    options.retry.max_attempts = 10;
    return options;
  }());
  const auto summary = Run(100);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(100);
  EXPECT_EQ(summary->reconnects, 6);
  EXPECT_EQ(server_.streams(), 7);
}

TEST_F(ClientBulkTest, SurvivesAServerRestart) {
  auto first = std::make_unique<FakeServer>();
  const std::string address = first->address();
  client_ = *Client::Create(Options(address));
  std::unique_ptr<FakeServer> second;
  on_results_ = [&] {
    if (received_.size() < 50 || second != nullptr) return;
    first.reset();
    second = std::make_unique<FakeServer>(address);
  };
  const auto summary = Run(300);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(300);
  EXPECT_GE(summary->reconnects, 1);
}

TEST_F(ClientBulkTest, AHangingServerMeetsTheProgressTimeout) {
  options_.progress_timeout = milliseconds(100);
  server_.SkipBeforeFaults(1);
  server_.AddFault({.kind = FakeFault::Kind::kHang});
  EXPECT_TRUE(absl::IsDeadlineExceeded(Run(100).status()));
}

TEST_F(ClientBulkTest, AnotherModelHalfwayIsAnError) {
  server_.SkipBeforeFaults(5);
  server_.AddFault({.kind = FakeFault::Kind::kOtherFingerprint});
  const auto summary = Run(100);
  EXPECT_TRUE(absl::IsFailedPrecondition(summary.status())) << summary.status();
}

TEST_F(ClientBulkTest, AnswersThatCannotBeRightAreErrors) {
  server_.AddFault({.kind = FakeFault::Kind::kUnknownId});
  EXPECT_THAT(std::string(Run(10).status().message()), HasSubstr("not in flight"));
  server_.AddFault({.kind = FakeFault::Kind::kDropResult});
  EXPECT_THAT(std::string(Run(10).status().message()), HasSubstr("4 results for 5 items"));
}

TEST_F(ClientBulkTest, ItemsPutOffAreSentAgain) {
  server_.AddFault({.kind = FakeFault::Kind::kItemUnavailable});
  const auto summary = Run(20);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(20);
  EXPECT_EQ(summary->resent_batches, 1);
}

TEST_F(ClientBulkTest, AnUnknownModelIsToldAtOnce) {
  options_.embed.model = "other";
  EXPECT_TRUE(absl::IsNotFound(Run(20).status()));
}

TEST_F(ClientBulkTest, AnUnreachableServerIsUnavailable) {
  client_ = *Client::Create(Options(FakeServer().address()));
  EXPECT_TRUE(absl::IsUnavailable(Run(20).status()));
}

TEST_F(ClientBulkTest, ABareStreamCanBeAbandonedAtAnyMoment) {
  const Item item = std::string("x");
  const auto far = [] { return std::chrono::steady_clock::now() + std::chrono::seconds(20); };
  client_->OpenStream();  // before it connected
  auto stream = client_->OpenStream();
  while (!stream->CanSend()) ASSERT_NE(stream->Next(far()).kind, StreamEvent::Kind::kTimeout);
  stream->Send("a", {&item}, {});
  stream.reset();  // while writing
  stream = client_->OpenStream(milliseconds(50));
  StreamEvent event;
  do event = stream->Next(far());
  while (event.kind != StreamEvent::Kind::kClosed && event.kind != StreamEvent::Kind::kTimeout);
  EXPECT_TRUE(absl::IsDeadlineExceeded(event.status)) << event.status;
  EXPECT_EQ(stream->Next(far()).kind, StreamEvent::Kind::kClosed);
}

}  // namespace
}  // namespace attendant::client
