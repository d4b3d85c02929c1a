// Schedules and runners with a clock that moves only when someone waits: one thread, no server.
#include <gtest/gtest.h>

#include <cmath>
#include <deque>

#include "client/cli/load_runner.h"
#include "client/cli/load_schedule.h"
#include "tests/client/fake_clock.h"

namespace attendant::cli {
namespace {

using client::EmbedReply;
using client::FakeClock;
using client::Item;
using client::Milliseconds;
using client::SteadyTime;
using client::StreamEvent;

Workload OneText() { return Workload({std::string("x")}, 1); }

EmbedReply Reply() {
  EmbedReply reply;
  reply.results.resize(1);
  reply.results[0].tokens_used = 5;
  reply.metadata = client::CallMetadata{.compute_us = 300, .total_us = 400};
  return reply;
}

LoadPlan Plan(double rate) {
  LoadPlan plan;
  plan.concurrency = 1;
  plan.rate = rate;
  plan.warm_up = Milliseconds(1000);
  plan.duration = Milliseconds(10'000);
  return plan;
}

TEST(LoadScheduleTest, ClosedLoopCountsAfterTheWarmUp) {
  const SteadyTime start = FakeClock().Now();
  LoadSchedule schedule(Plan(0), start);
  EXPECT_FALSE(schedule.Next(start)->counted);
  EXPECT_TRUE(schedule.Next(start + Milliseconds(1000))->counted);
  EXPECT_TRUE(schedule.Next(start + Milliseconds(10'999)).has_value());
  EXPECT_FALSE(schedule.Next(start + Milliseconds(11'000)).has_value());
}

TEST(LoadScheduleTest, ANumberOfRequestsReplacesTheDuration) {
  LoadPlan plan = Plan(0);
  plan.requests = 3;
  const SteadyTime start = FakeClock().Now();
  LoadSchedule schedule(plan, start);
  schedule.Next(start);  // warm-up
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(schedule.Next(start + std::chrono::hours(1))->counted);
  EXPECT_FALSE(schedule.Next(start + std::chrono::hours(1)).has_value());
}

TEST(LoadScheduleTest, ArrivalsArePoisson) {
  LoadPlan plan = Plan(1000);
  plan.duration = Milliseconds(60'000);
  const SteadyTime start = FakeClock().Now();
  LoadSchedule schedule(plan, start);
  SteadyTime last = start;
  double sum = 0, squares = 0;
  int64_t count = 0;
  while (const auto next = schedule.Next(start)) {
    const double gap = std::chrono::duration<double>(next->time - last).count();
    sum += gap;
    squares += gap * gap;
    last = next->time;
    ++count;
  }
  const double mean = sum / static_cast<double>(count);
  const double variance = squares / static_cast<double>(count) - mean * mean;
  EXPECT_NEAR(static_cast<double>(count), 61'000, 1000);
  EXPECT_NEAR(std::sqrt(variance) / mean, 1.0, 0.02);  // of an exponential distribution
  LoadSchedule again(plan, start);
  LoadSchedule third(plan, start);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(again.Next(start)->time, third.Next(start)->time);
}

TEST(LoadScheduleTest, WhatIsHopelesslyOverdueIsCountedNotSent) {
  const SteadyTime start = FakeClock().Now();
  LoadSchedule schedule(Plan(100), start);
  EXPECT_FALSE(schedule.Next(start + std::chrono::minutes(1)).has_value());
  EXPECT_NEAR(static_cast<double>(schedule.unsent()), 1000, 150);  // the warm-up's are not among them
}

TEST(RunCallsTest, ClosedLoopMeasuresEachCall) {
  FakeClock clock;
  const LoadOutcome outcome = RunCalls(Plan(0), OneText(), clock, [&](const auto&) {
    clock.Advance(Milliseconds(20));
    return Reply();
  });
  EXPECT_EQ(outcome.requests, 500);
  EXPECT_EQ(outcome.tokens, 2500);
  EXPECT_NEAR(outcome.seconds, 10, 0.05);
  EXPECT_EQ(outcome.latency_us.max(), 20'000);
  EXPECT_EQ(outcome.compute_us.Percentile(50), 300);
}

// A caller that measured from the moment it got round to sending would see 10 ms for all but one request. But while the
// server stood still for a second, requests went on arriving, and each of them waited.
TEST(RunCallsTest, OpenLoopLatencyIsFreeOfCoordinatedOmission) {
  FakeClock clock;
  bool stalled = false;
  const SteadyTime start = clock.Now();
  const LoadOutcome outcome = RunCalls(Plan(20), OneText(), clock, [&](const auto&) {
    const bool stall = !stalled && clock.Now() > start + Milliseconds(5000);
    clock.Advance(stall ? Milliseconds(2000) : Milliseconds(1));
    stalled = stalled || stall;
    return Reply();
  });
  EXPECT_NEAR(static_cast<double>(outcome.requests), 200, 45);
  EXPECT_GE(outcome.latency_us.max(), 2'000'000);
  // A fifth of the ten seconds was spent standing still, so about a fifth of the requests waited up to two seconds.
  EXPECT_GT(outcome.latency_us.Percentile(90), 500'000);
  EXPECT_LT(outcome.latency_us.Percentile(50), 20'000);
}

TEST(RunCallsTest, CountsErrorsByCode) {
  FakeClock clock;
  int calls = 0;
  LoadPlan plan = Plan(0);
  plan.warm_up = Milliseconds(0);
  plan.requests = 6;
  const LoadOutcome outcome = RunCalls(plan, OneText(), clock, [&](const auto&) -> absl::StatusOr<EmbedReply> {
    clock.Advance(Milliseconds(1));
    if (++calls <= 2) return absl::ResourceExhaustedError("full");
    EmbedReply reply = Reply();
    if (calls == 3) reply.results[0].status = absl::InvalidArgumentError("blank");
    return reply;
  });
  EXPECT_EQ(outcome.requests, 6);
  EXPECT_EQ(outcome.failed_requests.at(absl::StatusCode::kResourceExhausted), 2);
  EXPECT_EQ(outcome.item_errors.at(absl::StatusCode::kInvalidArgument), 1);
  EXPECT_EQ(outcome.items, 3);
  EXPECT_EQ(outcome.latency_us.count(), 4);
}

// Answers each request 10 ms after it was sent, one after the other.
class SlowStream : public client::EmbedStream {
 public:
  SlowStream(FakeClock* clock, int breaks_at, int* most) : clock_(clock), breaks_at_(breaks_at), most_(most) {}

  bool CanSend() const override { return true; }
  void Send(const std::string& id, const std::vector<const Item*>&, const client::EmbedOptions&) override {
    ids_.push_back(id);
    *most_ = std::max(*most_, static_cast<int>(ids_.size()));
  }
  void CloseSending() override {}
  StreamEvent Next(SteadyTime until) override {
    if (ids_.empty() || until <= clock_->Now()) {
      if (until > clock_->Now()) clock_->SleepUntil(until);
      return {};
    }
    clock_->Advance(Milliseconds(10));
    if (++answered_ == breaks_at_) {
      StreamEvent closed;
      closed.kind = StreamEvent::Kind::kClosed;
      closed.status = absl::UnavailableError("gone");
      return closed;
    }
    StreamEvent event{StreamEvent::Kind::kResponse, ids_.front(), absl::OkStatus(), Reply()};
    ids_.pop_front();
    return event;
  }

 private:
  FakeClock* clock_;
  int breaks_at_;
  int* most_;
  int answered_ = 0;
  std::deque<std::string> ids_;
};

TEST(RunStreamTest, ClosedLoopKeepsTheWindowFull) {
  FakeClock clock;
  LoadPlan plan = Plan(0);
  plan.concurrency = 4;
  int most = 0;
  const StreamLoad load{[&] { return std::make_unique<SlowStream>(&clock, -1, &most); }};
  const LoadOutcome outcome = RunStream(plan, OneText(), clock, load);
  EXPECT_EQ(most, 4);
  EXPECT_NEAR(static_cast<double>(outcome.requests), 1000, 5);
  EXPECT_EQ(outcome.latency_us.Percentile(50), 40'000);  // the answers of the three before it come first
}

TEST(RunStreamTest, OpenLoopCountsFromTheArrival) {
  FakeClock clock;
  LoadPlan plan = Plan(200);  // twice what the far side can do
  plan.concurrency = 8;
  int most = 0;
  const StreamLoad load{[&] { return std::make_unique<SlowStream>(&clock, -1, &most); }};
  const LoadOutcome outcome = RunStream(plan, OneText(), clock, load);
  EXPECT_EQ(most, 8);
  EXPECT_GT(outcome.latency_us.max(), 4'000'000);  // the backlog is seen, not only the 80 ms of the window
  EXPECT_GT(outcome.unsent, 100);
}

TEST(RunStreamTest, ABrokenStreamFailsWhatWasInFlightAndGoesOn) {
  FakeClock clock;
  LoadPlan plan = Plan(0);
  plan.concurrency = 4;
  plan.warm_up = Milliseconds(0);
  plan.requests = 100;
  int most = 0;
  int opened = 0;
  const StreamLoad load{[&] { return std::make_unique<SlowStream>(&clock, ++opened == 1 ? 50 : -1, &most); }};
  const LoadOutcome outcome = RunStream(plan, OneText(), clock, load);
  EXPECT_EQ(opened, 2);
  EXPECT_EQ(outcome.failed_requests.at(absl::StatusCode::kUnavailable), 4);
  EXPECT_EQ(outcome.items, 96);
}

}  // namespace
}  // namespace attendant::cli
