// Identical work under way: computed once, answered to each, and nobody's leaving disturbs another. Real threads and an
// engine that runs when the test says so.
#include "server/scheduling/work_sharing.h"

#include <atomic>
#include <random>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scheduling/fakes.h"

namespace attendant {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

// The answers to one caller's items, in the order in which they came.
class Caller {
 public:
  // One item per id; two items of one id are the same work.
  WorkCall Ask(const std::vector<int32_t>& ids, std::shared_ptr<ModelRuntime> runtime) {
    WorkCall call;
    call.runtime = std::move(runtime);
    call.cancel = cancel;
    call.deadline = deadline;
    call.service_class = service_class;
    for (const int32_t id : ids) {
      WorkItem item;
      item.sequence = MakeSequence(id, 16);
      item.embed = EmbedSpec{};
      item.done = [this](WorkResult result) {
        const std::lock_guard lock(mutex_);
        answers_.push_back(std::move(result));
        changed_.notify_all();
      };
      call.items.push_back(std::move(item));
    }
    return call;
  }

  std::vector<WorkResult> WaitFor(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatient, [&] { return answers_.size() >= count; })) << answers_.size();
    return answers_;
  }
  size_t answers() const {
    const std::lock_guard lock(mutex_);
    return answers_.size();
  }

  std::shared_ptr<CancelToken> cancel = std::make_shared<CancelToken>();
  SteadyTime deadline = SteadyTime::max();
  ServiceClass service_class = ServiceClass::kInteractive;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<WorkResult> answers_;
};

class WorkSharingTest : public testing::Test {
 protected:
  void Start(const SharingOptions& options = {}) {
    scheduler_options_.clock = clock_.Function();
    sharing_ = std::make_unique<WorkSharing>(options);
    scheduler_ = std::make_unique<Scheduler>(scheduler_options_, &observer_);
  }
  // One worker, busy with item 0 until the gate lets it pass.
  void StartBusy(const SharingOptions& options = {}) {
    runner_.CloseGate();
    Start(options);
    ASSERT_TRUE(Submit(&first_, {0}).status.ok());
    runner_.WaitStarted(1);
  }
  AdmissionResult Submit(Caller* caller, const std::vector<int32_t>& ids) {
    return sharing_->Submit(scheduler_.get(), caller->Ask(ids, runtime_));
  }
  void LetAllPass() { runner_.OpenGate(); }
  static absl::StatusCode CodeOf(Caller* caller) { return caller->WaitFor(1)[0].status.code(); }

  SchedulerOptions scheduler_options_;
  FakeClock clock_;
  FakeBatchRunner runner_;
  std::shared_ptr<ModelRuntime> runtime_ = runner_.NewRuntime();
  CountingObserver observer_;
  std::unique_ptr<WorkSharing> sharing_;
  // Callers answer until the scheduler has ended.
  Caller first_, a_, b_, c_;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(WorkSharingTest, WaitingWorkIsComputedOnceForAll) {
  StartBusy();
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  ASSERT_TRUE(Submit(&b_, {7, 8}).status.ok());
  ASSERT_TRUE(Submit(&c_, {7}).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 2) << "7 once, 8 once";
  LetAllPass();
  EXPECT_THAT(a_.WaitFor(1)[0].output.embedding, ElementsAre(7));
  EXPECT_EQ(a_.WaitFor(1)[0].cost.origin, WorkOrigin::kComputed);
  EXPECT_THAT(c_.WaitFor(1)[0].output.embedding, ElementsAre(7));
  EXPECT_EQ(c_.WaitFor(1)[0].cost.origin, WorkOrigin::kShared);
  EXPECT_EQ(b_.WaitFor(2).size(), 2u);
  EXPECT_EQ(observer_.items(), 3);
  EXPECT_EQ(sharing_->stats().joined_items, 2);
}

TEST_F(WorkSharingTest, RunningWorkIsJoinedWhateverTheDeadlineAndClass) {
  StartBusy();  // item 0 runs, without a deadline
  a_.deadline = clock_.Now() + seconds(1);
  ASSERT_TRUE(Submit(&a_, {0}).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 0);
  LetAllPass();
  EXPECT_EQ(CodeOf(&a_), absl::StatusCode::kOk);
  EXPECT_EQ(observer_.items(), 1);
}

TEST_F(WorkSharingTest, TheSameItemTwiceInACallIsComputedOnce) {
  Start();
  ASSERT_TRUE(Submit(&a_, {5, 5, 6, 5}).status.ok());
  EXPECT_EQ(a_.WaitFor(4).size(), 4u);
  EXPECT_EQ(observer_.items(), 2);
}

TEST_F(WorkSharingTest, FinishedWorkIsNotJoined) {
  Start();
  ASSERT_TRUE(Submit(&a_, {5}).status.ok());
  a_.WaitFor(1);
  ASSERT_TRUE(scheduler_->WaitIdle(std::chrono::steady_clock::now() + kPatient));
  ASSERT_TRUE(Submit(&b_, {5}).status.ok());
  EXPECT_EQ(b_.WaitFor(1)[0].cost.origin, WorkOrigin::kComputed);
  EXPECT_EQ(observer_.items(), 2);
}

TEST_F(WorkSharingTest, WhoBroughtItMayLeaveTheQueue) {
  StartBusy();
  ASSERT_TRUE(Submit(&a_, {7, 8}).status.ok());
  ASSERT_TRUE(Submit(&b_, {8}).status.ok());
  a_.cancel->Cancel();
  LetAllPass();
  EXPECT_EQ(CodeOf(&b_), absl::StatusCode::kOk);
  EXPECT_THAT(b_.WaitFor(1)[0].output.embedding, ElementsAre(8));
  // Of a, 7 was dropped; 8 was there anyway.
  const auto answers = a_.WaitFor(2);
  EXPECT_EQ(answers[0].status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kCancelled, DropStage::kQueue).first, 1);
  EXPECT_EQ(observer_.items(), 2);
}

TEST_F(WorkSharingTest, WhoBroughtItMayLeaveWhileItIsComputed) {
  StartBusy();
  ASSERT_TRUE(Submit(&a_, {0}).status.ok());
  first_.cancel->Cancel();
  LetAllPass();
  EXPECT_EQ(CodeOf(&a_), absl::StatusCode::kOk);
}

TEST_F(WorkSharingTest, WhoJoinedMayLeave) {
  StartBusy();
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  ASSERT_TRUE(Submit(&b_, {7}).status.ok());
  b_.cancel->Cancel();
  LetAllPass();
  EXPECT_EQ(CodeOf(&a_), absl::StatusCode::kOk);
  EXPECT_EQ(b_.WaitFor(1).size(), 1u);
}

TEST_F(WorkSharingTest, WhenAllHaveGoneItIsDroppedAndEachHearsHisOwnReason) {
  StartBusy();
  a_.deadline = clock_.Now() + seconds(1);
  b_.deadline = clock_.Now() + seconds(2);
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  ASSERT_TRUE(Submit(&b_, {7}).status.ok());
  b_.cancel->Cancel();
  clock_.Advance(seconds(3));
  LetAllPass();
  EXPECT_EQ(CodeOf(&a_), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(CodeOf(&b_), absl::StatusCode::kCancelled);
  ASSERT_TRUE(scheduler_->WaitIdle(std::chrono::steady_clock::now() + kPatient));
  EXPECT_EQ(observer_.items(), 1) << "the first one only";
}

TEST_F(WorkSharingTest, AnExpiredOneDoesNotEndItForTheOthers) {
  StartBusy();
  a_.deadline = clock_.Now() + seconds(1);
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  ASSERT_TRUE(Submit(&b_, {7}).status.ok());  // without a deadline
  EXPECT_EQ(scheduler_->stats().queued_items(), 1);
  clock_.Advance(seconds(2));
  LetAllPass();
  EXPECT_EQ(CodeOf(&b_), absl::StatusCode::kOk);
}

TEST_F(WorkSharingTest, WhoIsInMoreOfAHurryHasItComputedForHimself) {
  StartBusy();
  a_.deadline = clock_.Now() + seconds(10);
  b_.deadline = clock_.Now() + seconds(5);
  c_.deadline = clock_.Now() + seconds(7);
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  ASSERT_TRUE(Submit(&b_, {7}).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 2);
  ASSERT_TRUE(Submit(&c_, {7}).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 2) << "joins b's, which is served first";
  LetAllPass();
  for (Caller* caller : {&a_, &b_, &c_}) EXPECT_EQ(CodeOf(caller), absl::StatusCode::kOk);
}

TEST_F(WorkSharingTest, InteractiveWorkDoesNotWaitForBulk) {
  StartBusy();
  a_.service_class = ServiceClass::kBulk;
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  ASSERT_TRUE(Submit(&b_, {7}).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 2);
  c_.service_class = ServiceClass::kBulk;
  ASSERT_TRUE(Submit(&c_, {7}).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 2) << "bulk joins either";
  LetAllPass();
  for (Caller* caller : {&a_, &b_, &c_}) EXPECT_EQ(CodeOf(caller), absl::StatusCode::kOk);
}

TEST_F(WorkSharingTest, ARefusedCallIsAnsweredNothingAndHoldsNothing) {
  scheduler_options_.max_queued_items = 2;
  StartBusy();
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  const AdmissionResult refused = Submit(&b_, {7, 8, 9});  // 7 is joined, 8 and 9 are too many
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status)) << refused.status;
  a_.cancel->Cancel();
  LetAllPass();
  EXPECT_EQ(CodeOf(&a_), absl::StatusCode::kCancelled) << "the refused call does not keep it alive";
  ASSERT_TRUE(scheduler_->WaitIdle(std::chrono::steady_clock::now() + kPatient));
  EXPECT_EQ(b_.answers(), 0u);
  ASSERT_TRUE(Submit(&c_, {8, 9}).status.ok()) << "nor is its work joined";
  EXPECT_EQ(c_.WaitFor(2).size(), 2u);
}

TEST_F(WorkSharingTest, JoiningNeedsNoRoomInTheQueue) {
  scheduler_options_.max_queued_items = 1;
  StartBusy();
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  EXPECT_FALSE(Submit(&b_, {8}).status.ok());
  EXPECT_TRUE(Submit(&c_, {7, 0}).status.ok());
  LetAllPass();
  EXPECT_EQ(c_.WaitFor(2).size(), 2u);
}

TEST_F(WorkSharingTest, DifferentOptionsAndModelsAreDifferentWork) {
  StartBusy();
  WorkCall one = a_.Ask({7, 7, 7, 7, 7}, runtime_);
  one.items[1].embed->normalize = true;
  one.items[2].embed->dimensions = 3;
  one.items[3].additional.push_back({.output = OutputKind::kTokens});
  one.items[4].sequence.pooling_start = 1;
  ASSERT_TRUE(sharing_->Submit(scheduler_.get(), std::move(one)).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 5);
  const auto reloaded = runner_.NewRuntime();
  ASSERT_TRUE(sharing_->Submit(scheduler_.get(), b_.Ask({7}, reloaded)).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 6);
  LetAllPass();
  a_.WaitFor(5);
  b_.WaitFor(1);
}

TEST_F(WorkSharingTest, AttentionIsNeverShared) {
  StartBusy();
  for (int i = 0; i < 2; ++i) {
    WorkCall call = a_.Ask({7}, runtime_);
    call.items[0].attention = AttentionSpec{};
    ASSERT_TRUE(sharing_->Submit(scheduler_.get(), std::move(call)).status.ok());
  }
  EXPECT_EQ(scheduler_->stats().queued_items(), 2);
  LetAllPass();
  a_.WaitFor(2);
}

TEST_F(WorkSharingTest, TurnedOffEverythingIsComputed) {
  StartBusy({.join_identical = false});
  ASSERT_TRUE(Submit(&a_, {7, 7}).status.ok());
  EXPECT_EQ(scheduler_->stats().queued_items(), 2);
  LetAllPass();
  a_.WaitFor(2);
}

TEST_F(WorkSharingTest, KnownResultsComeFromTheCacheWithTheSameBytes) {
  Start({.join_identical = false, .cache_bytes = 1 << 20});
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  const auto computed = a_.WaitFor(1)[0];
  EXPECT_EQ(computed.cost.origin, WorkOrigin::kComputed);
  ASSERT_TRUE(Submit(&b_, {7, 8}).status.ok());
  const auto answers = b_.WaitFor(2);
  const WorkResult& known = answers[0].cost.origin == WorkOrigin::kCached ? answers[0] : answers[1];
  EXPECT_EQ(known.cost.origin, WorkOrigin::kCached);
  EXPECT_EQ(known.output.embedding, computed.output.embedding);
  EXPECT_EQ(observer_.items(), 2);
  EXPECT_EQ(sharing_->stats().cache.hits, 1);
  ASSERT_TRUE(sharing_->Submit(scheduler_.get(), c_.Ask({7}, runner_.NewRuntime())).status.ok());
  EXPECT_EQ(c_.WaitFor(1)[0].cost.origin, WorkOrigin::kComputed) << "a model that was loaded again is another one";
}

TEST_F(WorkSharingTest, ACallOfKnownItemsIsAnsweredWhateverTheQueue) {
  Start({.cache_bytes = 1 << 20});
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  a_.WaitFor(1);
  scheduler_->Drain();
  EXPECT_FALSE(Submit(&b_, {7, 8}).status.ok());
  EXPECT_EQ(b_.answers(), 0u) << "a refused call gets no part of its answer";
  EXPECT_TRUE(Submit(&c_, {7}).status.ok());
  EXPECT_EQ(c_.answers(), 1u);
}

TEST_F(WorkSharingTest, FailuresAreNotKept) {
  runner_.SetHook([](std::span<const SequenceTask>) { throw std::bad_alloc(); });
  Start({.cache_bytes = 1 << 20});
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  EXPECT_EQ(CodeOf(&a_), absl::StatusCode::kResourceExhausted);
  runner_.SetHook(nullptr);
  ASSERT_TRUE(Submit(&b_, {7}).status.ok());
  EXPECT_EQ(CodeOf(&b_), absl::StatusCode::kOk);
}

TEST_F(WorkSharingTest, ShutdownAnswersEveryOwner) {
  StartBusy();
  ASSERT_TRUE(Submit(&a_, {7}).status.ok());
  ASSERT_TRUE(Submit(&b_, {7}).status.ok());
  std::thread shutdown([this] { scheduler_->Shutdown(); });
  EXPECT_EQ(CodeOf(&a_), absl::StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(&b_), absl::StatusCode::kUnavailable);
  LetAllPass();
  shutdown.join();
}

// Few different items, many callers who come, cancel and expire: every item is answered once, and rightly.
TEST_F(WorkSharingTest, AStormOfIdenticalItemsLosesNothing) {
  scheduler_options_.num_workers = 3;
  Start({.join_identical = true, .cache_bytes = 256 * 1024});
  constexpr int kThreads = 4, kCalls = 300;
  std::atomic<int64_t> admitted{0}, answered{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int i = 0; i < kCalls; ++i) {
        auto cancel = std::make_shared<CancelToken>();
        const bool leaves = random() % 4 == 0;
        WorkCall call;
        call.runtime = runtime_;
        call.cancel = cancel;
        if (random() % 3 == 0) call.deadline = clock_.Now() + Microseconds(random() % 2000);
        if (random() % 2 == 0) call.service_class = ServiceClass::kBulk;
        for (int k = 0; k < 3; ++k) {
          const auto id = static_cast<int32_t>(random() % 5);
          WorkItem item;
          item.sequence = MakeSequence(id, 8);
          item.embed = EmbedSpec{.dimensions = static_cast<int32_t>(random() % 2)};
          const bool has_deadline = call.deadline != SteadyTime::max();
          item.done = [&, id, leaves, has_deadline](const WorkResult& result) {
            ++answered;
            const bool good =
                result.status.ok() && result.output.embedding == std::vector<float>{static_cast<float>(id)};
            const bool left = (leaves && absl::IsCancelled(result.status)) ||
                              (has_deadline && absl::IsDeadlineExceeded(result.status));
            if (!good && !left) ++wrong;
          };
          call.items.push_back(std::move(item));
        }
        if (sharing_->Submit(scheduler_.get(), std::move(call)).status.ok()) admitted += 3;
        if (leaves) cancel->Cancel();
        clock_.Advance(Microseconds(random() % 100));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(scheduler_->WaitIdle(std::chrono::steady_clock::now() + kPatient));
  EXPECT_EQ(answered, admitted);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(sharing_->stats().joined_items + sharing_->stats().cache.hits, 0);
}

}  // namespace
}  // namespace attendant
