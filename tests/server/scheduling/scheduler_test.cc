// The mechanism, with real threads and an engine that runs when the test says so. No test sleeps.
#include "server/scheduling/scheduler.h"

#include <atomic>
#include <functional>
#include <future>
#include <random>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scheduling/fakes.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class SchedulerTest : public testing::Test {
 protected:
  Scheduler& Start() {
    scheduler_ = std::make_unique<Scheduler>(options_, &observer_);
    return *scheduler_;
  }

  // A scheduler with one worker, which is busy with item 0 until the gate opens.
  Scheduler& StartBusy() {
    runner_.CloseGate();
    Scheduler& scheduler = Start();
    EXPECT_TRUE(scheduler.Submit(book_.Call(0, 1, 16)).status.ok());
    runner_.WaitStarted(1);
    return scheduler;
  }

  void WaitIdle() { ASSERT_TRUE(scheduler_->WaitIdle(steady_clock::now() + kPatient)); }

  SchedulerOptions options_;
  FakeClock clock_;
  FakeBatchRunner runner_;
  CountingObserver observer_;
  ResultBook book_{runner_.NewRuntime()};
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(SchedulerTest, RunsWhatIsSubmitted) {
  Scheduler& scheduler = Start();
  ASSERT_TRUE(scheduler.Submit(book_.Call(1, 3, 16)).status.ok());
  book_.WaitFor(3);
  for (int32_t id = 1; id <= 3; ++id) EXPECT_THAT(book_.Get(id).output.embedding, ElementsAre(static_cast<float>(id)));
  WaitIdle();
  EXPECT_EQ(observer_.items(), 3);
  EXPECT_EQ(observer_.tokens(), 48);
}

TEST_F(SchedulerTest, ACallWithoutItemsIsNothing) {
  EXPECT_TRUE(Start().Submit(WorkCall{}).status.ok());
  WaitIdle();
}

TEST_F(SchedulerTest, AllIdleWorkersShareOneCall) {
  options_.num_workers = 2;
  runner_.CloseGate();
  Scheduler& scheduler = Start();
  const SteadyTime give_up = steady_clock::now() + kPatient;
  while (scheduler.stats().idle_workers < 2 && steady_clock::now() < give_up) std::this_thread::yield();
  ASSERT_TRUE(scheduler.Submit(book_.Call(1, 8, 16)).status.ok());
  runner_.WaitStarted(2);  // both at once: the gate is closed
  EXPECT_THAT(runner_.started(), UnorderedElementsAre(ElementsAre(1, 2, 3, 4), ElementsAre(5, 6, 7, 8)));
  EXPECT_EQ(scheduler.stats().idle_workers, 0);
  runner_.OpenGate();
  book_.WaitFor(8);
}

TEST_F(SchedulerTest, WorkThatArrivesDuringABatchIsTakenTogetherAfterIt) {
  Scheduler& scheduler = StartBusy();
  for (int32_t id = 1; id <= 5; ++id) ASSERT_TRUE(scheduler.Submit(book_.Call(id, 1, 16)).status.ok());
  EXPECT_EQ(scheduler.stats().queued_items(), 5);
  EXPECT_EQ(scheduler.stats().queued_tokens(), 80);
  EXPECT_EQ(scheduler.stats().running_items, 1);
  runner_.OpenGate();
  book_.WaitFor(6);
  EXPECT_THAT(runner_.started()[1], ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(book_.Get(3).cost.batch_items, 5);
  WaitIdle();
  EXPECT_EQ(scheduler.stats().running_items, 0);
}

TEST_F(SchedulerTest, UrgentWorkGoesFirst) {
  options_.max_batch_items = 1;
  options_.patience = seconds(1000);
  Scheduler& scheduler = StartBusy();
  const SteadyTime now = steady_clock::now();
  for (const auto& [id, due] : {std::pair(1, seconds(300)), std::pair(2, seconds(100)), std::pair(3, seconds(200))}) {
    WorkCall call = book_.Call(id, 1, 16);
    call.deadline = now + due;
    ASSERT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  }
  runner_.OpenGate();
  book_.WaitFor(4);
  EXPECT_THAT(runner_.started(), ElementsAre(ElementsAre(0), ElementsAre(2), ElementsAre(3), ElementsAre(1)));
}

TEST_F(SchedulerTest, CancelledInTheQueueNeverRuns) {
  Scheduler& scheduler = StartBusy();
  const auto cancel = std::make_shared<CancelToken>();
  WorkCall call = book_.Call(1, 2, 16);
  call.cancel = cancel;
  ASSERT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  ASSERT_TRUE(scheduler.Submit(book_.Call(3, 1, 16)).status.ok());
  cancel->Cancel();
  runner_.OpenGate();
  book_.WaitFor(4);
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kCancelled);
  EXPECT_EQ(book_.Code(2), absl::StatusCode::kCancelled);
  EXPECT_EQ(book_.Code(3), absl::StatusCode::kOk);
  EXPECT_THAT(runner_.started(), ElementsAre(ElementsAre(0), ElementsAre(3)));
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kCancelled, DropStage::kQueue).first, 2);
}

TEST_F(SchedulerTest, CancelledBetweenLayersIsDropped) {
  const auto cancel = std::make_shared<CancelToken>();
  runner_.CloseGate();
  Scheduler& scheduler = Start();
  WorkCall call = book_.Call(1, 1, 16);
  call.cancel = cancel;
  ASSERT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  runner_.WaitStarted(1);
  cancel->Cancel();
  runner_.OpenGate();
  book_.WaitFor(1);
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kCancelled);
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kCancelled, DropStage::kCompute).first, 1);
}

TEST_F(SchedulerTest, ExpiredInTheQueueNeverRuns) {
  options_.clock = clock_.Function();
  Scheduler& scheduler = StartBusy();
  WorkCall call = book_.Call(1, 1, 16);
  call.deadline = clock_.Now() + milliseconds(10);
  ASSERT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  clock_.Advance(milliseconds(10));
  runner_.OpenGate();
  book_.WaitFor(2);
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(book_.Get(1).cost.queue, milliseconds(10));
  EXPECT_THAT(runner_.started(), ElementsAre(ElementsAre(0)));
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kDeadlineExceeded, DropStage::kQueue).first, 1);
}

TEST_F(SchedulerTest, ExpiredBetweenLayersIsDropped) {
  options_.clock = clock_.Function();
  runner_.CloseGate();
  Scheduler& scheduler = Start();
  WorkCall call = book_.Call(1, 1, 16);
  call.deadline = clock_.Now() + milliseconds(10);
  ASSERT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  runner_.WaitStarted(1);
  clock_.Advance(milliseconds(10));
  runner_.OpenGate();
  book_.WaitFor(1);
  EXPECT_EQ(book_.Code(1), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kDeadlineExceeded, DropStage::kCompute).first, 1);
}

TEST_F(SchedulerTest, OverTheBudgetIsRefusedAtOnceAndNeverCalledBack) {
  options_.max_queued_items = 3;
  Scheduler& scheduler = StartBusy();
  ASSERT_TRUE(scheduler.Submit(book_.Call(1, 2, 16)).status.ok());
  const AdmissionResult refused = scheduler.Submit(book_.Call(10, 2, 16));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status));
  EXPECT_GE(refused.retry_after, milliseconds(10));
  EXPECT_LE(refused.retry_after, seconds(5));
  ASSERT_TRUE(scheduler.Submit(book_.Call(20, 1, 16)).status.ok());  // one still fits
  runner_.OpenGate();
  WaitIdle();
  EXPECT_EQ(book_.total(), 4u);
  const AdmissionResult never = scheduler.Submit(book_.Call(30, 4, 16));
  EXPECT_THAT(std::string(never.status.message()), HasSubstr("never"));
  EXPECT_EQ(never.retry_after, milliseconds(0));
}

TEST_F(SchedulerTest, AQueueFullOfTheDeadMakesRoomForTheLiving) {
  options_.max_queued_items = 4;
  Scheduler& scheduler = StartBusy();
  const auto cancel = std::make_shared<CancelToken>();
  WorkCall call = book_.Call(1, 4, 16);
  call.cancel = cancel;
  ASSERT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  cancel->Cancel();
  ASSERT_TRUE(scheduler.Submit(book_.Call(10, 1, 16)).status.ok());
  EXPECT_EQ(book_.total(), 4u);  // told within Submit, while the worker is still busy
  EXPECT_EQ(book_.Code(4), absl::StatusCode::kCancelled);
  EXPECT_EQ(scheduler.stats().running_items, 1);
  runner_.OpenGate();
  book_.WaitFor(6);
}

TEST_F(SchedulerTest, DrainFinishesWhatWasAdmittedAndRefusesTheRest) {
  Scheduler& scheduler = StartBusy();
  ASSERT_TRUE(scheduler.Submit(book_.Call(1, 3, 16)).status.ok());
  scheduler.Drain();
  EXPECT_TRUE(absl::IsUnavailable(scheduler.Submit(book_.Call(10, 1, 16)).status));
  EXPECT_FALSE(scheduler.WaitIdle(steady_clock::now()));
  runner_.OpenGate();
  WaitIdle();
  EXPECT_EQ(book_.total(), 4u);
  for (int32_t id = 0; id <= 3; ++id) EXPECT_EQ(book_.Code(id), absl::StatusCode::kOk);
}

TEST_F(SchedulerTest, ShutdownFinishesTheBatchAndFailsTheQueue) {
  Scheduler& scheduler = StartBusy();
  ASSERT_TRUE(scheduler.Submit(book_.Call(1, 3, 16)).status.ok());
  std::thread stopper([&] { scheduler.Shutdown(); });
  book_.WaitFor(3);  // the queued ones, while the batch still runs
  for (int32_t id = 1; id <= 3; ++id) EXPECT_EQ(book_.Code(id), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::IsUnavailable(scheduler.Submit(book_.Call(10, 1, 16)).status));
  runner_.OpenGate();
  stopper.join();
  EXPECT_EQ(book_.Code(0), absl::StatusCode::kOk);
  EXPECT_EQ(observer_.Dropped(absl::StatusCode::kUnavailable, DropStage::kQueue).first, 3);
  scheduler.Shutdown();
  EXPECT_EQ(book_.total(), 4u);
}

TEST_F(SchedulerTest, CallbacksMaySubmit) {
  options_.max_queued_items = 1000;
  Scheduler& scheduler = Start();
  // A chain: each callback submits the next item; one held lock, and the chain would hang.
  std::function<void(int32_t)> submit = [&](int32_t id) {
    WorkCall call = book_.Call(id, 1, 16);
    if (id < 100) {
      auto record = std::move(call.items[0].done);
      call.items[0].done = [&, id, record](WorkResult result) {
        EXPECT_GE(scheduler.stats().running_items, 1);
        submit(id + 1);
        record(std::move(result));
      };
    }
    EXPECT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  };
  submit(0);
  book_.WaitFor(101);
  WaitIdle();
}

TEST_F(SchedulerTest, IdleMeansThatCallbacksHaveReturned) {
  Scheduler& scheduler = Start();
  std::promise<void> entered, leave;
  WorkItem item = book_.Item(1, 16);
  item.done = [&](WorkResult) {
    entered.set_value();
    leave.get_future().wait();
  };
  WorkCall call = book_.Call(1, 0, 16);
  call.items.push_back(std::move(item));
  ASSERT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  entered.get_future().wait();
  EXPECT_FALSE(scheduler.WaitIdle(steady_clock::now()));
  leave.set_value();
  WaitIdle();
}

TEST_F(SchedulerTest, DelayEndsWhenABatchIsFull) {
  options_.max_batch_delay = std::chrono::hours(1);
  options_.max_batch_tokens = 64;
  Scheduler& scheduler = Start();
  ASSERT_TRUE(scheduler.Submit(book_.Call(1, 1, 32)).status.ok());
  ASSERT_TRUE(scheduler.Submit(book_.Call(2, 1, 32)).status.ok());
  book_.WaitFor(2);
  EXPECT_THAT(runner_.started(), ElementsAre(ElementsAre(1, 2)));
}

TEST_F(SchedulerTest, DelayEndsByItself) {
  options_.max_batch_delay = milliseconds(2);
  ASSERT_TRUE(Start().Submit(book_.Call(1, 1, 32)).status.ok());
  book_.WaitFor(1);
  EXPECT_GE(book_.Get(1).cost.queue, milliseconds(2));
}

TEST_F(SchedulerTest, DelayEndsWithDrain) {
  options_.max_batch_delay = std::chrono::hours(1);
  Scheduler& scheduler = Start();
  ASSERT_TRUE(scheduler.Submit(book_.Call(1, 1, 32)).status.ok());
  scheduler.Drain();
  book_.WaitFor(1);
}

TEST_F(SchedulerTest, InteractiveWorkGoesBeforeBulk) {
  options_.max_batch_items = 1;
  Scheduler& scheduler = StartBusy();
  WorkCall bulk = book_.Call(1, 3, 16);
  bulk.service_class = ServiceClass::kBulk;
  ASSERT_TRUE(scheduler.Submit(std::move(bulk)).status.ok());
  ASSERT_TRUE(scheduler.Submit(book_.Call(10, 2, 16)).status.ok());
  EXPECT_EQ(scheduler.stats().classes[1].queued_items, 3);
  runner_.OpenGate();
  book_.WaitFor(6);
  EXPECT_THAT(runner_.started(), ElementsAre(ElementsAre(0), ElementsAre(10), ElementsAre(11), ElementsAre(1),
                                             ElementsAre(2), ElementsAre(3)));
}

TEST_F(SchedulerTest, RefusesAtOnceWhatCannotBeInTime) {
  options_.clock = clock_.Function();
  Scheduler& scheduler = StartBusy();
  WorkCall call = book_.Call(1, 1, 60'000);  // 60 ms, as the fake engine is thought to work
  call.deadline = clock_.Now() + milliseconds(59);
  const AdmissionResult refused = scheduler.Submit(std::move(call));
  EXPECT_EQ(refused.reason, Refusal::kDeadline) << refused.status;
  EXPECT_GE(refused.retry_after, milliseconds(1));
  EXPECT_EQ(observer_.Refused(Refusal::kDeadline), 1);
  WorkCall later = book_.Call(2, 1, 60'000);
  later.deadline = clock_.Now() + milliseconds(80);
  EXPECT_TRUE(scheduler.Submit(std::move(later)).status.ok());
  runner_.OpenGate();
  book_.WaitFor(2);
}

TEST_F(SchedulerTest, ABatchIsOfOneModelAndAModelLivesAsLongAsItsWork) {
  options_.num_workers = 1;
  Scheduler& scheduler = StartBusy();
  auto other = runner_.NewRuntime();
  const std::weak_ptr<ModelRuntime> watched = other;
  ASSERT_TRUE(scheduler.Submit(book_.Call(1, 2, 16)).status.ok());
  WorkCall call = book_.Call(10, 2, 16);
  call.runtime = std::move(other);
  ASSERT_TRUE(scheduler.Submit(std::move(call)).status.ok());
  EXPECT_FALSE(watched.expired());
  runner_.OpenGate();
  book_.WaitFor(5);
  WaitIdle();
  EXPECT_THAT(runner_.started(), ElementsAre(ElementsAre(0), ElementsAre(1, 2), ElementsAre(10, 11)));
  // The worker lets go of it before the items count as finished.
  EXPECT_TRUE(watched.expired());
}

// Submitters, cancellers and drops at random; run under ThreadSanitizer, too.
TEST_F(SchedulerTest, StormLosesNothing) {
  options_.num_workers = 4;
  options_.max_batch_tokens = 64;
  options_.max_queued_items = 200;
  Scheduler& scheduler = Start();
  std::atomic<int64_t> admitted{0};
  std::vector<std::thread> submitters;
  for (int32_t t = 0; t < 4; ++t) {
    submitters.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int32_t i = 0; i < 500; ++i) {
        const auto cancel = std::make_shared<CancelToken>();
        const auto count = static_cast<int32_t>(random() % 4 + 1);
        WorkCall call = book_.Call((t * 500 + i) * 10, count, static_cast<int32_t>(random() % 90 + 1));
        call.cancel = cancel;
        if (random() % 3 == 0) call.deadline = steady_clock::now() + Microseconds(random() % 2000);
        const bool cancel_it = random() % 3 == 0;
        if (scheduler.Submit(std::move(call)).status.ok()) admitted += count;
        if (cancel_it) cancel->Cancel();
      }
    });
  }
  for (std::thread& submitter : submitters) submitter.join();
  WaitIdle();
  EXPECT_EQ(static_cast<int64_t>(book_.total()), admitted.load());
  EXPECT_GT(admitted.load(), 0);
  int64_t dropped_in_queue = 0;
  for (const auto reason : {absl::StatusCode::kCancelled, absl::StatusCode::kDeadlineExceeded}) {
    dropped_in_queue += observer_.Dropped(reason, DropStage::kQueue).first;
  }
  EXPECT_EQ(observer_.items() + dropped_in_queue, admitted.load());
}

TEST_F(SchedulerTest, ShutdownInAStormCompletesEverythingOnce) {
  options_.num_workers = 3;
  for (int round = 0; round < 20; ++round) {
    ResultBook book(runner_.NewRuntime());
    std::atomic<int64_t> admitted{0};
    Scheduler scheduler(options_, nullptr);
    std::vector<std::thread> submitters;
    for (int32_t t = 0; t < 3; ++t) {
      submitters.emplace_back([&, t] {
        for (int32_t i = 0;; ++i) {
          const absl::Status status = scheduler.Submit(book.Call((t * 1'000'000 + i) * 2, 2, 16)).status;
          if (absl::IsUnavailable(status)) return;
          if (status.ok()) admitted += 2;
        }
      });
    }
    book.WaitFor(20);
    scheduler.Shutdown();
    for (std::thread& submitter : submitters) submitter.join();
    EXPECT_TRUE(scheduler.WaitIdle(steady_clock::now()));
    EXPECT_EQ(static_cast<int64_t>(book.total()), admitted.load());
  }
}

TEST(SchedulerWithoutWork, StartsAndStops) {
  SchedulerOptions options;
  options.num_workers = 8;
  for (int i = 0; i < 20; ++i) Scheduler scheduler(options, nullptr);
}

}  // namespace
}  // namespace attendant
