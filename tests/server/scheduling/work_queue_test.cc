#include "server/scheduling/work_queue.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scheduling/fakes.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const SteadyTime kNow = SteadyTime(seconds(100));

std::vector<int32_t> Ids(const MicroBatch& batch) {
  std::vector<int32_t> ids;
  for (const QueuedItem& item : batch.items) ids.push_back(item.item.sequence.input_ids[0]);
  return ids;
}

class WorkQueueTest : public testing::Test {
 protected:
  WorkQueueTest() {
    options_.max_batch_tokens = 128;
    options_.max_batch_items = 8;
    options_.patience = seconds(5);
  }

  void Push(int32_t first_id, std::vector<int32_t> lengths, SteadyTime deadline = SteadyTime::max(),
            std::shared_ptr<const CancelToken> cancel = nullptr, SteadyTime now = kNow) {
    WorkCall call;
    call.runtime = runtime_;
    for (size_t i = 0; i < lengths.size(); ++i) {
      call.items.push_back(MakeItem(first_id + static_cast<int32_t>(i), lengths[i]));
    }
    call.deadline = deadline;
    call.cancel = std::move(cancel);
    PushCall(std::move(call), now);
  }

  void PushCall(WorkCall call, SteadyTime now) {
    const double cost_us = Queue().CostOf(call).total_us;
    Queue().Push(std::move(call), cost_us, now);
  }

  MicroBatch Take(int idle_workers = 1, SteadyTime now = kNow) {
    MicroBatch batch;
    Queue().TakeBatch(now, idle_workers, &batch);
    return batch;
  }

  WorkQueue& Queue() {
    if (!queue_) queue_ = std::make_unique<WorkQueue>(options_);
    return *queue_;
  }

  SchedulerOptions options_;
  std::shared_ptr<ModelRuntime> runtime_ = MakeRuntime();

 private:
  std::unique_ptr<WorkQueue> queue_;
};

TEST_F(WorkQueueTest, EarliestDeadlineFirstThenFirstCome) {
  Push(1, {16}, kNow + seconds(3));
  Push(2, {16}, kNow + seconds(1));
  Push(3, {16}, kNow + seconds(3));
  Push(4, {16}, kNow + seconds(2));
  EXPECT_THAT(Ids(Take()), ElementsAre(2, 4, 1, 3));
  EXPECT_TRUE(Queue().empty());
}

TEST_F(WorkQueueTest, NoDeadlineCountsAsArrivalPlusPatience) {
  Push(1, {16});
  Push(2, {16}, kNow + seconds(6), nullptr, kNow + seconds(2));     // due before 2 + 5 s: its deadline counts
  Push(3, {16}, kNow + seconds(4));                                 // earlier than 0 + 5 s
  Push(4, {16}, kNow + seconds(3600), nullptr, kNow + seconds(2));  // patience again: 7 s
  EXPECT_THAT(Ids(Take(1, kNow + seconds(2))), ElementsAre(3, 1, 2, 4));
}

TEST_F(WorkQueueTest, NothingThatComesLaterOvertakesWhatHasWaitedForItsPatience) {
  Push(1, {16});
  const SteadyTime later = kNow + seconds(5);
  Push(2, {16}, later + milliseconds(4), nullptr, later);
  EXPECT_THAT(Ids(Take(1, later)), ElementsAre(1, 2));
}

TEST_F(WorkQueueTest, BatchEndsBeforeTheTokenLimit) {
  Push(1, {64, 63, 2, 1});
  const MicroBatch first = Take();
  EXPECT_THAT(Ids(first), ElementsAre(1, 2));  // 129 would be too many, and item 4 waits for its turn behind item 3
  EXPECT_EQ(first.tokens, 127);
  EXPECT_EQ(Queue().tokens(), 3);
  EXPECT_EQ(Queue().items(), 2);
  EXPECT_THAT(Ids(Take()), ElementsAre(3, 4));
}

TEST_F(WorkQueueTest, BatchEndsAtTheItemLimit) {
  Push(1, std::vector<int32_t>(9, 1));
  EXPECT_EQ(Take().items.size(), 8u);
  EXPECT_EQ(Take().items.size(), 1u);
}

TEST_F(WorkQueueTest, AnItemLongerThanABatchRunsAlone) {
  Push(1, {16, 500, 16});
  EXPECT_THAT(Ids(Take()), ElementsAre(1));
  EXPECT_THAT(Ids(Take()), ElementsAre(2));
  EXPECT_THAT(Ids(Take()), ElementsAre(3));
}

TEST_F(WorkQueueTest, CallsShareABatch) {
  Push(1, {32, 32}, kNow + seconds(1));
  Push(3, {32, 32}, kNow + seconds(2));
  EXPECT_THAT(Ids(Take()), ElementsAre(1, 2, 3, 4));
}

TEST_F(WorkQueueTest, IdleWorkersGetEvenShares) {
  Push(1, std::vector<int32_t>(8, 16));
  EXPECT_THAT(Ids(Take(2)), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Ids(Take(1)), ElementsAre(5, 6, 7, 8));
}

TEST_F(WorkQueueTest, SharesAreCutAtTheNearestBorder) {
  Push(1, {90, 110});
  EXPECT_THAT(Ids(Take(2)), ElementsAre(1));
  EXPECT_THAT(Ids(Take(1)), ElementsAre(2));
  Push(3, {40, 40, 40});  // 60 each: 80 is as near as 40, and an item more for the earlier batch
  EXPECT_THAT(Ids(Take(2)), ElementsAre(3, 4));
  EXPECT_THAT(Ids(Take(1)), ElementsAre(5));
}

TEST_F(WorkQueueTest, TinySharesAreNotSplit) {
  Push(1, {4, 4, 4, 4});
  EXPECT_EQ(Queue().UsefulWorkers(*runtime_), 1);
  EXPECT_EQ(Take(4).items.size(), 4u);
}

TEST_F(WorkQueueTest, UsefulWorkersAreLimitedByItemsAndTokens) {
  Push(1, {120});
  EXPECT_EQ(Queue().UsefulWorkers(*runtime_), 1);
  Push(2, {120, 120});
  EXPECT_EQ(Queue().UsefulWorkers(*runtime_), 3);
}

TEST_F(WorkQueueTest, ManyIdleWorkersDoNotMakeSharesSmallerThanTheFloor) {
  Push(1, std::vector<int32_t>(8, 16));
  for (int idle = 64; !Queue().empty(); --idle) EXPECT_EQ(Take(idle).tokens, runtime_->cost().min_share_tokens);
}

TEST_F(WorkQueueTest, CancelledAndExpiredAreDroppedWithTheirReason) {
  const auto cancel = std::make_shared<CancelToken>();
  Push(1, {16, 16}, kNow + seconds(2), cancel);
  Push(3, {16}, kNow + seconds(1));
  Push(4, {16}, kNow + seconds(3));
  cancel->Cancel();
  const MicroBatch batch = Take(1, kNow + seconds(1));
  EXPECT_THAT(Ids(batch), ElementsAre(4));
  ASSERT_EQ(batch.dropped.size(), 3u);
  EXPECT_EQ(batch.dropped[0].reason, absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(batch.dropped[1].reason, absl::StatusCode::kCancelled);
  EXPECT_EQ(batch.dropped[2].reason, absl::StatusCode::kCancelled);
  EXPECT_EQ(Queue().tokens(), 0);
  EXPECT_EQ(Queue().items(), 0);
}

TEST_F(WorkQueueTest, TheRestOfAHalfTakenCallIsDroppedToo) {
  const auto cancel = std::make_shared<CancelToken>();
  Push(1, {100, 100}, SteadyTime::max(), cancel);
  EXPECT_THAT(Ids(Take()), ElementsAre(1));
  cancel->Cancel();
  const MicroBatch batch = Take();
  EXPECT_THAT(Ids(batch), IsEmpty());
  ASSERT_EQ(batch.dropped.size(), 1u);
  EXPECT_EQ(batch.dropped[0].queued.item.sequence.input_ids[0], 2);
}

TEST_F(WorkQueueTest, DropsPerTakeAreBounded) {
  const auto cancel = std::make_shared<CancelToken>();
  cancel->Cancel();
  for (size_t i = 0; i < WorkQueue::kMaxDropsPerTake + 10; ++i) Push(1, {1}, SteadyTime::max(), cancel);
  EXPECT_EQ(Take().dropped.size(), WorkQueue::kMaxDropsPerTake);
  EXPECT_EQ(Take().dropped.size(), 10u);
  EXPECT_TRUE(Queue().empty());
}

TEST_F(WorkQueueTest, DropStaleReachesTheMiddle) {
  const auto cancel = std::make_shared<CancelToken>();
  Push(1, {16}, kNow + seconds(1));
  Push(2, {16, 16}, kNow + seconds(2), cancel);
  Push(4, {16}, kNow + seconds(3));
  cancel->Cancel();
  std::vector<DroppedItem> dropped;
  Queue().DropStale(kNow, &dropped);
  EXPECT_EQ(dropped.size(), 2u);
  EXPECT_EQ(Queue().items(), 2);
  EXPECT_EQ(Queue().tokens(), 32);
  EXPECT_THAT(Ids(Take()), ElementsAre(1, 4));
}

TEST_F(WorkQueueTest, TakeAllSkipsWhatHasLeft) {
  Push(1, {100, 100});
  Push(3, {100});
  Take();
  std::vector<QueuedItem> all;
  Queue().TakeAll(&all);
  EXPECT_EQ(all.size(), 2u);
  EXPECT_TRUE(Queue().empty());
  EXPECT_EQ(Queue().tokens(), 0);
  EXPECT_EQ(Queue().items(), 0);
}

TEST_F(WorkQueueTest, WithoutDelayEverythingIsReadyAtOnce) {
  Push(1, {1});
  EXPECT_EQ(Queue().ReadyTime(), SteadyTime::min());
}

TEST_F(WorkQueueTest, DelayWaitsForCompanyButNotWhenFullNorPastADeadline) {
  options_.max_batch_delay = milliseconds(5);
  Push(1, {16});
  EXPECT_EQ(Queue().ReadyTime(), kNow + milliseconds(5));
  Push(2, {16}, SteadyTime::max(), nullptr, kNow + milliseconds(2));  // does not start the wait anew
  EXPECT_EQ(Queue().ReadyTime(), kNow + milliseconds(5));
  Push(3, {16}, kNow + milliseconds(3));
  EXPECT_EQ(Queue().ReadyTime(), kNow + milliseconds(3));
  Push(4, {80});
  EXPECT_EQ(Queue().ReadyTime(), SteadyTime::min());
}

TEST_F(WorkQueueTest, AnEmptyCallIsNoWork) {
  Push(1, {});
  EXPECT_TRUE(Queue().empty());
}

// A token takes 100 us here.
TEST_F(WorkQueueTest, WhatCouldNoLongerBeInTimeIsDroppedForOthersSake) {
  Push(1, {100}, kNow + milliseconds(9));
  Push(2, {100}, kNow + milliseconds(11));
  const MicroBatch batch = Take();
  EXPECT_THAT(Ids(batch), ElementsAre(2));
  ASSERT_EQ(batch.dropped.size(), 1u);
  EXPECT_EQ(batch.dropped[0].reason, absl::StatusCode::kDeadlineExceeded);
}

TEST_F(WorkQueueTest, TheLastOneIsTriedHoweverLateItSeems) {
  Push(1, {100}, kNow + milliseconds(1));
  EXPECT_THAT(Ids(Take()), ElementsAre(1));
}

TEST_F(WorkQueueTest, ABatchEndsWhereItWouldMissADeadlineInIt) {
  Push(1, {40}, kNow + milliseconds(7));
  Push(2, {30}, kNow + milliseconds(50));  // 7 ms together
  Push(3, {30}, kNow + milliseconds(50));
  EXPECT_THAT(Ids(Take()), ElementsAre(1, 2));
  EXPECT_THAT(Ids(Take()), ElementsAre(3));
}

TEST_F(WorkQueueTest, InteractiveFirstButBulkGetsItsShare) {
  options_.bulk_share = 0.25;
  options_.max_batch_items = 1;
  WorkCall bulk;
  bulk.runtime = runtime_;
  bulk.service_class = ServiceClass::kBulk;
  for (int i = 0; i < 100; ++i) bulk.items.push_back(MakeItem(1000, 128));
  PushCall(std::move(bulk), kNow);
  Push(1, std::vector<int32_t>(100, 128));
  int bulk_batches = 0;
  for (int i = 0; i < 80; ++i) bulk_batches += Ids(Take()).front() == 1000 ? 1 : 0;
  EXPECT_NEAR(bulk_batches, 20, 1);
}

TEST_F(WorkQueueTest, BulkThatWasServedMeanwhileIsOwedNothing) {
  options_.max_batch_items = 1;
  WorkCall bulk;
  bulk.runtime = runtime_;
  bulk.service_class = ServiceClass::kBulk;
  for (int i = 0; i < 100; ++i) bulk.items.push_back(MakeItem(1000, 128));
  PushCall(std::move(bulk), kNow);
  for (int i = 0; i < 50; ++i) Take();
  // However long it was kept waiting before: interactive work that comes now goes first.
  Push(1, {128});
  EXPECT_THAT(Ids(Take()), ElementsAre(1));
}

}  // namespace
}  // namespace attendant
