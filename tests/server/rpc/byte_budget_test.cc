#include "server/rpc/byte_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "server/rpc/service_core.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/work_pool.h"

namespace attendant {
namespace {

TEST(ByteBudgetTest, ReservationsShareTheLimitAndGiveBack) {
  ByteBudget budget(100);
  {
    Reservation first(&budget);
    Reservation second(&budget);
    EXPECT_TRUE(first.Grow(60));
    EXPECT_FALSE(second.Grow(41));
    EXPECT_TRUE(second.Grow(40));
    EXPECT_FALSE(first.Grow(1));
    EXPECT_EQ(budget.used(), 100);
  }
  EXPECT_EQ(budget.used(), 0);
}

TEST(ByteBudgetTest, RefusalsTellOverloadFromTooLarge) {
  ByteBudget budget(100);
  Reservation other(&budget);
  ASSERT_TRUE(other.Grow(90));
  Reservation mine(&budget);
  const absl::Status overloaded = Reserve(20, &mine);
  EXPECT_TRUE(absl::IsResourceExhausted(overloaded));
  EXPECT_GT(RetryAfterOf(overloaded).count(), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(Reserve(101, &mine)));
  EXPECT_TRUE(Reserve(10, &mine).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Reserve(91, &mine)));
}

TEST(ByteBudgetTest, NeverExceedsItsLimitUnderContention) {
  ByteBudget budget(1000);
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 10'000; ++round) {
        Reservation reservation(&budget);
        if (reservation.Grow(300) && budget.used() > 1000) exceeded = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(budget.used(), 0);
}

TEST(WorkPoolTest, RunsEverythingBeforeItEnds) {
  std::atomic<int> runs{0};
  {
    WorkPool pool(2);
    for (int i = 0; i < 100; ++i) pool.Post([&runs] { ++runs; });
  }
  EXPECT_EQ(runs, 100);
}

}  // namespace
}  // namespace attendant
