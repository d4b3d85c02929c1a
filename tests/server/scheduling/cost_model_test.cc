#include "server/scheduling/cost_model.h"

#include <gtest/gtest.h>

namespace attendant {
namespace {

// Takes as long as it is told, on a clock of its own.
class TimedSession final : public BatchRunner::Session {
 public:
  TimedSession(double batch_us, double token_us) : batch_us_(batch_us), token_us_(token_us) {}

  void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate&, Team* team) override {
    EXPECT_EQ(team, nullptr);
    double us = batch_us_;
    for (const SequenceTask& task : tasks) us += token_us_ * task.sequence->num_tokens();
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
  int runs_ = 0;
  int32_t longest_ = 0;
  SteadyTime now_{};
};

TEST(CostModel, FindsWhatABatchAndATokenCost) {
  TimedSession session(300, 50);
  const CostModel cost = MeasureCost(session, 512, session.clock());
  EXPECT_NEAR(cost.token_us, 50, 0.1);
  EXPECT_NEAR(static_cast<double>(cost.batch.count()), 300, 2);
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
  EXPECT_LE(session.runs(), 4);
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

}  // namespace
}  // namespace attendant
