// The bulk loop against scripted streams and a clock that moves only when someone waits on it: no network, no threads.
#include "client/lib/bulk_embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>

#include "tests/client/fake_clock.h"

namespace attendant::client {
namespace {

using ::testing::HasSubstr;

// What the far side does with each request, in order; when the list is empty: kAnswer.
enum class Reaction { kAnswer, kRefuse, kBreak, kBreakForGood, kIgnore, kItemUnavailable, kNotFound, kBadRequest };

// The far side of all streams of one test.
struct FarSide {
  FakeClock clock;
  std::deque<Reaction> reactions;
  bool reachable = true;
  Milliseconds hint{200};
  std::string fingerprint = "one";
  int streams = 0;
  int requests = 0;
  int in_flight = 0;
  int most_in_flight = 0;
  size_t largest_batch = 0;
  std::vector<SteadyTime> send_times;
};

EmbedResult ResultOf(const Item& item) {
  EmbedResult result;
  result.values = {static_cast<float>(std::get<std::string>(item).size())};
  result.tokens_used = 3;
  return result;
}

// Answers the newest request first, so that order is the client's work.
class ScriptedStream : public EmbedStream {
 public:
  explicit ScriptedStream(FarSide* far) : far_(far) {
    ++far_->streams;
    far_->in_flight = 0;
    if (!far_->reachable) Close(absl::UnavailableError("connection refused"));
  }

  bool CanSend() const override { return far_->reachable && !closed_; }

  void Send(const std::string& id, const std::vector<const Item*>& items, const EmbedOptions& options) override {
    ++far_->requests;
    far_->most_in_flight = std::max(far_->most_in_flight, ++far_->in_flight);
    far_->largest_batch = std::max(far_->largest_batch, items.size());
    far_->send_times.push_back(far_->clock.Now());
    StreamEvent event{StreamEvent::Kind::kResponse, id, absl::OkStatus(), {}};
    event.reply.model_fingerprint = far_->fingerprint;
    for (const Item* item : items) event.reply.results.push_back(ResultOf(*item));
    Reaction reaction = Reaction::kAnswer;
    if (!far_->reactions.empty()) {
      reaction = far_->reactions.front();
      far_->reactions.pop_front();
    }
    switch (reaction) {
      case Reaction::kAnswer:
        break;
      case Reaction::kRefuse:
        event.status = absl::ResourceExhaustedError("queue is full");
        SetRetryAfter(far_->hint, &event.status);
        break;
      case Reaction::kItemUnavailable:
        event.reply.results[0].status = absl::UnavailableError("shut down before it ran");
        break;
      case Reaction::kNotFound:
        event.status = absl::NotFoundError("no such model");
        break;
      case Reaction::kBadRequest:
        event.status = absl::InvalidArgumentError("no");
        break;
      case Reaction::kIgnore:
        return;
      case Reaction::kBreak:
        return Close(absl::UnavailableError("connection reset"));
      case Reaction::kBreakForGood:
        return Close(absl::ResourceExhaustedError("message larger than max"));
    }
    answers_.push_back(std::move(event));
  }

  void CloseSending() override { Close(absl::OkStatus()); }

  StreamEvent Next(SteadyTime until) override {
    if (closed_) {
      StreamEvent event;
      event.kind = StreamEvent::Kind::kClosed;
      event.status = status_;
      return event;
    }
    // Holds answers back while the client is still filling its window.
    if (until <= far_->clock.Now() || answers_.empty()) {
      if (until > far_->clock.Now()) far_->clock.SleepUntil(until);
      return {};
    }
    StreamEvent event = std::move(answers_.back());
    answers_.pop_back();
    --far_->in_flight;
    return event;
  }

 private:
  void Close(absl::Status status) {
    closed_ = true;
    status_ = std::move(status);
  }

  FarSide* far_;
  std::deque<StreamEvent> answers_;
  bool closed_ = false;
  absl::Status status_;
};

class BulkEmbedderTest : public ::testing::Test {
 protected:
  BulkEmbedderTest() {
    options_.max_batch_items = 4;
    options_.max_in_flight = 3;
  }

  // Item i is a text of i + 1 letters, except those in bad_.
  absl::StatusOr<BulkSummary> Run(int count) {
    int next = 0;
    const ItemSource source = [&]() -> std::optional<absl::StatusOr<Item>> {
      if (next == count) return std::nullopt;
      const int index = next++;
      if (bad_.contains(index)) return absl::InvalidArgumentError("bad line");
      return Item(std::string(static_cast<size_t>(index + 1), 'x'));
    };
    const ResultSink sink = [this](int64_t first_index, std::vector<EmbedResult> results) {
      EXPECT_EQ(first_index, static_cast<int64_t>(received_.size()));
      for (EmbedResult& result : results) received_.push_back(std::move(result));
      return sink_status_;
    };
    BulkEnvironment environment;
    environment.open_stream = [this] { return std::make_unique<ScriptedStream>(&far_); };
    environment.clock = &far_.clock;
    environment.max_message_bytes = max_message_bytes_;
    environment.bytes_per_vector = bytes_per_vector_;
    return BulkEmbedder(environment, options_, source, sink).Run();
  }

  void ExpectAll(int count) {
    ASSERT_EQ(received_.size(), static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      if (bad_.contains(i)) {
        EXPECT_EQ(received_[i].status.message(), "bad line");
      } else {
        ASSERT_TRUE(received_[i].status.ok()) << i << ": " << received_[i].status;
        EXPECT_EQ(received_[i].values[0], i + 1);
      }
    }
  }

  FarSide far_;
  BulkOptions options_;
  std::set<int> bad_;
  absl::Status sink_status_;
  int64_t max_message_bytes_ = 0;
  int32_t bytes_per_vector_ = 0;
  std::vector<EmbedResult> received_;
};

TEST_F(BulkEmbedderTest, NothingInNothingOut) {
  const auto summary = Run(0);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(far_.streams, 0);
}

TEST_F(BulkEmbedderTest, BatchesWindowsAndKeepsOrder) {
  const auto summary = Run(101);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(101);
  EXPECT_EQ(far_.largest_batch, 4u);
  EXPECT_EQ(far_.requests, 26);
  EXPECT_EQ(far_.most_in_flight, 3);
  EXPECT_EQ(far_.streams, 1);
  EXPECT_EQ(summary->items, 101);
  EXPECT_EQ(summary->tokens_used, 303);
  EXPECT_EQ(summary->model_fingerprint, "one");
}

TEST_F(BulkEmbedderTest, ClosesABatchByBytesOfRequestOrResponse) {
  options_.max_batch_items = 100;
  options_.max_batch_bytes = 1000;
  ASSERT_TRUE(Run(20).ok());
  EXPECT_EQ(far_.requests, 1);  // 20 texts of up to 20 bytes with their framing
  received_.clear();
  bytes_per_vector_ = 400;
  ASSERT_TRUE(Run(20).ok());
  EXPECT_EQ(far_.requests, 1 + 10);
  ExpectAll(20);
}

TEST_F(BulkEmbedderTest, BadItemsFailAloneAndInPlace) {
  bad_ = {0, 5, 6, 7, 8, 9, 10, 11, 30};
  const auto summary = Run(31);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->failed_items, 9);
  ExpectAll(31);
}

TEST_F(BulkEmbedderTest, NothingButBadItemsNeedsNoServer) {
  far_.reachable = false;
  for (int i = 0; i < 50; ++i) bad_.insert(i);
  ASSERT_TRUE(Run(50).ok());
  ExpectAll(50);
}

TEST_F(BulkEmbedderTest, AnItemTooLargeForAnyMessageIsNotSent) {
  max_message_bytes_ = 4096 + 24 + 10;
  const auto summary = Run(12);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->failed_items, 2);
  EXPECT_TRUE(received_[9].status.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(received_[10].status));
}

TEST_F(BulkEmbedderTest, ComesBackAfterARefusalNotBeforeTheHint) {
  far_.reactions = {Reaction::kAnswer, Reaction::kRefuse, Reaction::kRefuse};
  const auto summary = Run(40);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(40);
  EXPECT_EQ(summary->resent_batches, 2);
  EXPECT_EQ(far_.streams, 1);
  ASSERT_GE(far_.send_times.size(), 4u);
  EXPECT_GE(far_.send_times[3] - far_.send_times[2], far_.hint);
}

TEST_F(BulkEmbedderTest, ARefusalLessensTheNumberInFlight) {
  far_.reactions = {Reaction::kRefuse, Reaction::kRefuse, Reaction::kRefuse};
  options_.max_in_flight = 3;
  ASSERT_TRUE(Run(12).ok());
  // All three went at once; then one alone had to succeed before two went.
  EXPECT_EQ(far_.send_times[0], far_.send_times[2]);
  EXPECT_EQ(far_.requests, 6);
  ExpectAll(12);
}

TEST_F(BulkEmbedderTest, ResendsTheUnansweredWhenTheStreamBreaks) {
  far_.reactions = {Reaction::kAnswer, Reaction::kAnswer, Reaction::kBreak};
  const auto summary = Run(60);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ExpectAll(60);
  EXPECT_EQ(far_.streams, 2);
  EXPECT_EQ(summary->reconnects, 1);
  EXPECT_EQ(summary->resent_batches, 3);
}

TEST_F(BulkEmbedderTest, GivesUpOnAServerThatWasNeverThere) {
  far_.reachable = false;
  const SteadyTime start = far_.clock.Now();
  const auto summary = Run(10);
  EXPECT_TRUE(absl::IsUnavailable(summary.status()));
  EXPECT_EQ(far_.streams, RetryPolicy().max_attempts);
  EXPECT_LT(far_.clock.Now() - start, Milliseconds(5'000));
  EXPECT_TRUE(received_.empty());
}

TEST_F(BulkEmbedderTest, WaitsLongerForAServerThatRestarts) {
  options_.max_in_flight = 1;
  far_.reactions = {Reaction::kAnswer};
  for (int i = 0; i < 12; ++i) far_.reactions.push_back(Reaction::kBreak);
  const auto summary = Run(40);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->reconnects, 12);
  ExpectAll(40);
}

TEST_F(BulkEmbedderTest, AStreamBrokenForGoodEndsIt) {
  far_.reactions = {Reaction::kAnswer, Reaction::kBreakForGood};
  EXPECT_THAT(std::string(Run(40).status().message()), HasSubstr("larger than max"));
  EXPECT_EQ(far_.streams, 1);
}

TEST_F(BulkEmbedderTest, AServerThatNeverAnswersMeetsTheProgressTimeout) {
  far_.reactions = std::deque<Reaction>(100, Reaction::kIgnore);
  const SteadyTime start = far_.clock.Now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Run(40).status()));
  EXPECT_EQ(far_.clock.Now() - start, options_.progress_timeout);
}

TEST_F(BulkEmbedderTest, AServerThatAlwaysRefusesMeetsTheProgressTimeoutAndItsErrorIsTold) {
  far_.reactions = std::deque<Reaction>(100'000, Reaction::kRefuse);
  const SteadyTime start = far_.clock.Now();
  const absl::Status status = Run(40).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("queue is full"));
  EXPECT_LE(far_.clock.Now() - start, options_.progress_timeout + Milliseconds(10));
}

TEST_F(BulkEmbedderTest, AnAbsurdHintMeetsTheProgressTimeout) {
  far_.hint = Milliseconds(INT64_MAX / 2'000'000);
  far_.reactions = {Reaction::kRefuse};
  EXPECT_TRUE(absl::IsResourceExhausted(Run(4).status()));
}

TEST_F(BulkEmbedderTest, TheCallersOwnTimeoutEndsIt) {
  options_.timeout = Milliseconds(1500);
  far_.reactions = std::deque<Reaction>(100, Reaction::kIgnore);
  const SteadyTime start = far_.clock.Now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Run(40).status()));
  EXPECT_EQ(far_.clock.Now() - start, Milliseconds(1500));
}

TEST_F(BulkEmbedderTest, ItemsThatWerePutOffAreSentAgain) {
  far_.reactions = {Reaction::kItemUnavailable};
  const auto summary = Run(8);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->resent_batches, 1);
  ExpectAll(8);
}

TEST_F(BulkEmbedderTest, AnErrorThatMeetsEveryBatchEndsIt) {
  far_.reactions = {Reaction::kAnswer, Reaction::kNotFound};
  EXPECT_TRUE(absl::IsNotFound(Run(100).status()));
  EXPECT_LE(far_.requests, 12);  // one window of 25 batches
}

TEST_F(BulkEmbedderTest, AnErrorOfOneBatchIsThatOfItsItems) {
  far_.reactions = {Reaction::kAnswer, Reaction::kBadRequest};
  const auto summary = Run(12);
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->failed_items, 4);
  EXPECT_TRUE(received_[3].status.ok());
  EXPECT_EQ(received_[4].status, absl::InvalidArgumentError("no"));
  EXPECT_TRUE(received_[8].status.ok());
}

TEST_F(BulkEmbedderTest, TheSinksErrorEndsIt) {
  sink_status_ = absl::DataLossError("disk full");
  EXPECT_TRUE(absl::IsDataLoss(Run(100).status()));
  EXPECT_LE(received_.size(), 4u);
}

TEST_F(BulkEmbedderTest, VectorsOfTwoModelsAreNotMixed) {
  int next = 0;
  const ItemSource source = [&]() -> std::optional<absl::StatusOr<Item>> {
    if (next == 40) far_.fingerprint = "two";
    return next++ < 80 ? std::optional<absl::StatusOr<Item>>(Item(std::string("x"))) : std::nullopt;
  };
  const ResultSink sink = [](int64_t, std::vector<EmbedResult>) { return absl::OkStatus(); };
  BulkEnvironment environment;
  environment.open_stream = [this] { return std::make_unique<ScriptedStream>(&far_); };
  environment.clock = &far_.clock;
  const absl::Status status = BulkEmbedder(environment, options_, source, sink).Run().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("from fingerprint one to two"));
}

}  // namespace
}  // namespace attendant::client
