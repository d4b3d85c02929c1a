#include "server/scheduling/batch_executor.h"

#include <new>
#include <stdexcept>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scheduling/fakes.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

class BatchExecutorTest : public testing::Test {
 protected:
  void Add(int32_t id, int32_t tokens, SteadyTime deadline = SteadyTime::max(),
           std::shared_ptr<const CancelToken> cancel = nullptr) {
    batch_.items.push_back({.item = book_.Item(id, tokens),
                            .arrival = clock_.Now() - milliseconds(3),
                            .deadline = deadline,
                            .cancel = std::move(cancel),
                            .predicted_us = 100.0 * tokens});
    batch_.runtime = runtime_;
    batch_.tokens += tokens;
  }

  void RunAndComplete() {
    executor_.Run(&batch_, nullptr);
    executor_.Complete(&batch_);
  }

  FakeClock clock_;
  SchedulerClock now_ = clock_.Function();
  FakeBatchRunner runner_;
  CountingObserver observer_;
  std::shared_ptr<ModelRuntime> runtime_ = runner_.NewRuntime();
  ResultBook book_{runtime_};
  MicroBatch batch_;
  BatchExecutor executor_{0, now_, &observer_};
};

TEST_F(BatchExecutorTest, GivesEachItemItsOwnResultAndTheBatchsCost) {
  Add(7, 10);
  Add(8, 20);
  runner_.SetHook([&](auto) { clock_.Advance(milliseconds(5)); });
  RunAndComplete();
  const WorkResult result = book_.Get(8);
  EXPECT_TRUE(result.status.ok());
  EXPECT_THAT(result.output.embedding, ElementsAre(8.0f));
  EXPECT_EQ(result.cost.queue, milliseconds(3));
  EXPECT_EQ(result.cost.compute, milliseconds(5));
  EXPECT_EQ(result.cost.batch_items, 2);
  EXPECT_EQ(result.cost.batch_tokens, 30);
  EXPECT_THAT(book_.Get(7).output.embedding, ElementsAre(7.0f));
  EXPECT_TRUE(batch_.items.empty());
  EXPECT_EQ(observer_.batches(), 1);
  EXPECT_EQ(observer_.tokens(), 30);
}

TEST_F(BatchExecutorTest, PassesWhatIsWantedAndOnlyThat) {
  Add(1, 4);
  Add(2, 4);
  batch_.items[1].item.embed.reset();
  batch_.items[1].item.attention.emplace().layers = {3};
  runner_.SetHook([](std::span<const SequenceTask> tasks) {
    EXPECT_NE(tasks[0].embed, nullptr);
    EXPECT_EQ(tasks[0].attention, nullptr);
    EXPECT_EQ(tasks[1].embed, nullptr);
    ASSERT_NE(tasks[1].attention, nullptr);
    EXPECT_THAT(tasks[1].attention->layers, ElementsAre(3));
  });
  RunAndComplete();
}

TEST_F(BatchExecutorTest, CallersThatLeaveDuringComputeAreDroppedAndNeighboursAreNot) {
  const auto cancel = std::make_shared<CancelToken>();
  Add(1, 10, SteadyTime::max(), cancel);
  Add(2, 20, clock_.Now() + milliseconds(1));
  Add(3, 30, clock_.Now() + milliseconds(100));
  runner_.SetHook([&](auto) {
    cancel->Cancel();
    clock_.Advance(milliseconds(2));
  });
  RunAndComplete();
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kCancelled);
  EXPECT_EQ(book_.Code(2), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(book_.Get(2).status.message()), HasSubstr("during compute"));
  EXPECT_EQ(book_.Code(3), absl::StatusCode::kOk);
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kCancelled, DropStage::kCompute), std::pair(int64_t{1}, int64_t{10}));
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kDeadlineExceeded, DropStage::kCompute),
            std::pair(int64_t{1}, int64_t{20}));
  // Asked once, that is after the first of six layers: five sixths of 100 us for each of 30 tokens.
  EXPECT_NEAR(observer_.saved_us(), 2500, 1);
}

TEST_F(BatchExecutorTest, AnItemsOwnStatusIsItsOwn) {
  Add(1, 1);
  Add(2, 1);
  runner_.SetHook(
      [](std::span<const SequenceTask> tasks) { tasks[0].result->status = absl::InternalError("not finite"); });
  RunAndComplete();
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kInternal);
  EXPECT_EQ(book_.Code(2), absl::StatusCode::kOk);
}

TEST_F(BatchExecutorTest, AnEngineThatThrowsFailsItsBatchAndNothingElse) {
  Add(1, 1);
  runner_.SetHook([](auto) { throw std::bad_alloc(); });
  RunAndComplete();
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kResourceExhausted);
  Add(2, 1);
  runner_.SetHook([](auto) { throw std::runtime_error("shape"); });
  RunAndComplete();
  EXPECT_EQ(book_.Code(2), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(book_.Get(2).status.message()), HasSubstr("shape"));
  Add(3, 1);
  runner_.SetHook(nullptr);
  RunAndComplete();
  EXPECT_EQ(book_.Code(3), absl::StatusCode::kOk);
}

TEST_F(BatchExecutorTest, AfterAFailureEachItemGetsATryOfItsOwn) {
  Add(1, 1);
  Add(2, 7);
  Add(3, 1);
  runner_.SetHook([](std::span<const SequenceTask> tasks) {
    for (const SequenceTask& task : tasks) {
      if (task.sequence->num_tokens() == 7) throw std::bad_alloc();
    }
  });
  RunAndComplete();
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kOk);
  EXPECT_EQ(book_.Code(2), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(book_.Code(3), absl::StatusCode::kOk);
}

TEST_F(BatchExecutorTest, DroppedInTheQueue) {
  std::vector<DroppedItem> dropped;
  const SteadyTime arrival = clock_.Now();
  dropped.push_back({{book_.Item(1, 5), arrival, arrival, nullptr}, absl::StatusCode::kDeadlineExceeded});
  dropped.push_back({{book_.Item(2, 6), arrival, arrival, nullptr}, absl::StatusCode::kCancelled});
  dropped.push_back({{book_.Item(3, 7), arrival, arrival, nullptr}, absl::StatusCode::kUnavailable});
  CompleteDropped(&dropped, arrival + milliseconds(9), &observer_);
  EXPECT_TRUE(dropped.empty());
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(book_.Get(1).status.message()), HasSubstr("in the queue"));
  EXPECT_EQ(book_.Get(1).cost.queue, milliseconds(9));
  EXPECT_EQ(book_.Code(2), absl::StatusCode::kCancelled);
  EXPECT_EQ(book_.Code(3), absl::StatusCode::kUnavailable);
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kUnavailable, DropStage::kQueue), std::pair(int64_t{1}, int64_t{7}));
}

}  // namespace
}  // namespace attendant
