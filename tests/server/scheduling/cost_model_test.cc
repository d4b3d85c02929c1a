#include "server/scheduling/cost_model.h"

#include <gtest/gtest.h>

namespace attendant {
namespace {

// Takes as long as it is told, on a clock of its own.
class TimedSession final : public BatchRunner::Session {
 public:
  TimedSession(double batch_us, double token_us, double square_us = 0)
      : batch_us_(batch_us), token_us_(token_us), square_us_(square_us) {}

  void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate&, Team* team) override {
    EXPECT_EQ(team, nullptr);
    double us = batch_us_;
    for (const SequenceTask& task : tasks) {
      const double tokens = task.sequence->num_tokens();
      us += token_us_ * tokens + square_us_ * tokens * tokens;
    }
    // The first run of anything is slow: it must not count.
    if (runs_++ == 0) us *= 10;
    longest_ = std::max(longest_, tasks[0].sequence->num_tokens());
    now_ += Microseconds(static_cast<int64_t>(us));
  }

  SchedulerClock clock() {
    return [this] { return now_; };
  }
  int runs() const { return runs_; }
  int32_t longest() const { return longest_; }

 private:
  const double batch_us_;
  const double token_us_;
  const double square_us_;
  int runs_ = 0;
  int32_t longest_ = 0;
  SteadyTime now_{};
};

TEST(CostModel, FindsWhatABatchAndATokenCost) {
  TimedSession session(300, 50);
  const CostModel cost = MeasureCost(session, 512, session.clock());
  EXPECT_NEAR(cost.token_us, 50, 0.1);
  EXPECT_NEAR(cost.batch_us, 300, 2);
  // 30 tokens cost five times what their batch does.
  EXPECT_NEAR(cost.min_share_tokens, 30, 1);
}

TEST(CostModel, SharesStayWithinBounds) {
  TimedSession free_batches(0, 50);
  EXPECT_EQ(MeasureCost(free_batches, 512, free_batches.clock()).min_share_tokens, 16);
  TimedSession dear_batches(100'000, 50);
  EXPECT_EQ(MeasureCost(dear_batches, 512, dear_batches.clock()).min_share_tokens, 128);
}

TEST(CostModel, StopsEarlyOnASlowMachine) {
  TimedSession session(0, 1000);
  MeasureCost(session, 512, session.clock());
  EXPECT_LE(session.runs(), 6);
}

TEST(CostModel, KeepsToTheModelsLength) {
  for (const int32_t max_tokens : {1, 16, 40}) {
    TimedSession session(10, 50);
    const CostModel cost = MeasureCost(session, max_tokens, session.clock());
    EXPECT_EQ(session.longest(), max_tokens);
    EXPECT_GT(cost.token_us, 0);
    EXPECT_GE(cost.min_share_tokens, 16);
  }
}

TEST(CostModel, TellsAttentionFromProducts) {
  TimedSession session(300, 50, 0.5);
  const CostModel cost = MeasureCost(session, 512, session.clock());
  EXPECT_NEAR(cost.square_us, 0.5, 0.01);
  EXPECT_NEAR(cost.token_us, 50, 1);
  EXPECT_NEAR(cost.SequenceUs(200), 50 * 200 + 0.5 * 200 * 200, 300);
}

TEST(CostCorrection, FollowsTheMachineBothWaysAndBelievesNoNonsense) {
  CostCorrection correction;
  EXPECT_EQ(correction.factor(), 1.0);
  for (int i = 0; i < 200; ++i) correction.Record(1000, Microseconds(2000));
  EXPECT_NEAR(correction.factor(), 2.0, 0.01);
  for (int i = 0; i < 200; ++i) correction.Record(1000, Microseconds(500));
  EXPECT_NEAR(correction.factor(), 0.5, 0.01);
  const double before = correction.factor();
  correction.Record(0, Microseconds(500));
  correction.Record(1000, Microseconds(0));
  EXPECT_EQ(correction.factor(), before);
  correction.Record(1000, std::chrono::hours(1));  // a machine that slept
  EXPECT_LT(correction.factor(), 5);
}

}  // namespace
}  // namespace attendant
