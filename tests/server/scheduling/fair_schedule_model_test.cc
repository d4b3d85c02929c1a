// Thousands of random schedules with both classes, several flows and two models, in simulated time, without threads:
// what must hold whatever the order is. work_queue_model_test.cc checks the exact order where there is one.
//
// Workers take batches of simulated duration; calls arrive, are cancelled and expire. Checked: nothing lost, nothing
// served twice or stale, a batch is of one class and one model, within a flow the order is by place, no worker idle
// beside work, bulk gets its share while it waits, flows with work are never further apart than the allowance, and
// every wait is within its bound.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/scheduling/work_queue.h"
#include "tests/server/scheduling/fakes.h"

namespace attendant {
namespace {

constexpr int64_t kTokenUs = 100;  // as MakeRuntime's

struct Expected {
  SteadyTime place, deadline, arrival;
  std::shared_ptr<CancelToken> cancel;
  std::string flow;
  const ModelRuntime* runtime;
  ServiceClass service_class;
  int32_t tokens;
  bool stale(SteadyTime now) const { return deadline <= now || cancel->cancelled(); }
};

class FairSchedule {
 public:
  explicit FairSchedule(uint32_t seed) : random_(seed) {
    options_.num_workers = static_cast<int>(Draw(1, 4));
    options_.max_batch_tokens = static_cast<int32_t>(Draw(32, 300));
    options_.max_batch_items = static_cast<int32_t>(Draw(1, 20));
    options_.patience = Microseconds(Draw(0, 100'000));
    options_.bulk_share = static_cast<double>(Draw(1, 5)) / 10;
    queue_ = std::make_unique<WorkQueue>(options_);
    busy_until_.resize(static_cast<size_t>(options_.num_workers));
  }

  void Run() {
    for (int step = 0; step < 150 && !testing::Test::HasFailure(); ++step) {
      if (queue_->tokens() < kMaxQueued) Arrive();
      if (Draw(0, 9) == 0) CancelOne();
      AdvanceTo(now_ + Microseconds(Draw(0, 20'000 / options_.num_workers)));
    }
    AdvanceTo(now_ + std::chrono::hours(1));
    EXPECT_TRUE(queue_->empty());
    EXPECT_TRUE(expected_.empty()) << expected_.size() << " items lost";
  }

  int64_t served(ServiceClass service_class) const { return served_[static_cast<size_t>(service_class)]; }
  int64_t dropped() const { return dropped_; }

 private:
  static constexpr int64_t kMaxQueued = 3000;
  static constexpr int32_t kMaxLength = 200;

  int64_t Draw(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }

  void Arrive() {
    WorkCall call;
    const auto cancel = std::make_shared<CancelToken>();
    call.cancel = cancel;
    call.runtime = runtimes_[static_cast<size_t>(Draw(0, 3) == 0)];
    call.service_class = Draw(0, 1) == 0 ? ServiceClass::kInteractive : ServiceClass::kBulk;
    call.flow = std::string(1, static_cast<char>('a' + std::min(Draw(0, 3), Draw(0, 3))));
    if (Draw(0, 2) == 0) call.deadline = now_ + Microseconds(Draw(1, 300'000));
    const int64_t count = Draw(1, 6);
    for (int64_t i = 0; i < count; ++i) {
      const auto length = static_cast<int32_t>(Draw(1, kMaxLength));
      call.items.push_back(MakeItem(next_id_, length));
      expected_[next_id_++] = {std::min(call.deadline, now_ + options_.patience),
                               call.deadline,
                               now_,
                               cancel,
                               call.flow,
                               call.runtime.get(),
                               call.service_class,
                               length};
    }
    const double cost_us = queue_->CostOf(call).total_us;
    queue_->Push(std::move(call), cost_us, now_);
    Dispatch();
  }

  void CancelOne() {
    if (expected_.empty()) return;
    std::next(expected_.begin(), Draw(0, static_cast<int64_t>(expected_.size()) - 1))->second.cancel->Cancel();
  }

  void AdvanceTo(SteadyTime end) {
    for (;;) {
      SteadyTime next = SteadyTime::max();
      for (const SteadyTime until : busy_until_) {
        if (until > now_) next = std::min(next, until);
      }
      if (next > end) break;
      now_ = next;
      Dispatch();
    }
    now_ = end;
  }

  void Dispatch() {
    for (SteadyTime& busy_until : busy_until_) {
      while (busy_until <= now_ && !queue_->empty()) {
        const auto idle = std::count_if(busy_until_.begin(), busy_until_.end(), [&](auto t) { return t <= now_; });
        busy_until = now_ + Microseconds(Take(static_cast<int>(idle)));
      }
    }
  }

  // Returns the batch's duration.
  int64_t Take(int idle) {
    const bool both = !queue_->of(ServiceClass::kInteractive).empty() && !queue_->of(ServiceClass::kBulk).empty();
    MicroBatch batch;
    queue_->TakeBatch(now_, idle, &batch);
    for (const DroppedItem& drop : batch.dropped) Forget(drop.queued.item, /*stale=*/true);
    EXPECT_FALSE(batch.items.empty() && batch.dropped.empty()) << "a take that takes nothing";
    EXPECT_TRUE(batch.tokens <= options_.max_batch_tokens || batch.items.size() == 1);
    if (batch.items.empty()) return 0;
    const ServiceClass service_class = expected_.at(IdOf(batch.items[0].item)).service_class;
    for (const QueuedItem& queued : batch.items) {
      const auto found = expected_.find(IdOf(queued.item));
      if (found == expected_.end()) {
        ADD_FAILURE() << "served what was not queued, or twice";
        continue;
      }
      CheckServed(found->second, batch, service_class);
      Forget(queued.item, /*stale=*/false);
    }
    for (const QueuedItem& queued : batch.items) {
      if (batch.items.size() == 1 || queued.deadline == SteadyTime::max()) continue;
      EXPECT_LE(now_ + Microseconds(batch.tokens * kTokenUs), queued.deadline) << "a batch too long for its own items";
    }
    NoteShare(service_class, batch.tokens * kTokenUs, both);
    return batch.tokens * kTokenUs;
  }

  void CheckServed(const Expected& item, const MicroBatch& batch, ServiceClass service_class) {
    EXPECT_FALSE(item.stale(now_)) << "computed for a caller that has gone";
    EXPECT_EQ(item.runtime, batch.runtime.get());
    EXPECT_EQ(item.service_class, service_class);
    ++served_[static_cast<size_t>(service_class)];
    for (const auto& [id, other] : expected_) {
      const bool same = other.flow == item.flow && other.runtime == item.runtime &&
                        other.service_class == item.service_class && !other.stale(now_);
      if (!same) continue;
      EXPECT_GE(other.place, item.place) << "out of order within its flow";
    }
    EXPECT_LE((now_ - item.arrival).count() / 1000, LongestWaitUs(service_class)) << "starved";
  }

  // Bulk must never be owed more than one batch and what the last interactive one added to that.
  void NoteShare(ServiceClass service_class, int64_t us, bool both) {
    const double share = options_.bulk_share;
    if (service_class == ServiceClass::kBulk) {
      owed_us_ = std::max(0.0, owed_us_ - static_cast<double>(us));
    } else if (both) {
      owed_us_ += static_cast<double>(us) * share / (1 - share);
    }
    if (queue_->of(ServiceClass::kBulk).empty()) owed_us_ = 0;
    const double batch_us = static_cast<double>(LongestBatchUs());
    EXPECT_LE(owed_us_, batch_us + batch_us * share / (1 - share) + 1) << "bulk did not get its share";
  }

  int64_t LongestBatchUs() const { return std::max<int64_t>(options_.max_batch_tokens, kMaxLength) * kTokenUs; }

  // All that can be queued ahead at the rate that its class is sure of, patience, and the allowances of the other
  // flows.
  int64_t LongestWaitUs(ServiceClass service_class) const {
    const double share = service_class == ServiceClass::kBulk ? options_.bulk_share : 1 - options_.bulk_share;
    const double queued_us =
        static_cast<double>((kMaxQueued + 6 * kMaxLength) * kTokenUs) + 8 * ClassQueue::kAllowanceUs;
    return options_.patience.count() + static_cast<int64_t>(queued_us / (options_.num_workers * share)) +
           4 * LongestBatchUs();
  }

  static int32_t IdOf(const WorkItem& item) { return item.sequence.input_ids[0]; }

  void Forget(const WorkItem& item, bool stale) {
    const auto found = expected_.find(IdOf(item));
    ASSERT_NE(found, expected_.end()) << "dropped what was not queued";
    if (stale) {
      // Stale, or too late for the longest item of its call.
      EXPECT_TRUE(found->second.stale(now_) || found->second.deadline < now_ + Microseconds(kMaxLength * kTokenUs))
          << "dropped what was wanted";
      ++dropped_;
    }
    expected_.erase(found);
  }

  std::mt19937 random_;
  SchedulerOptions options_;
  std::vector<std::shared_ptr<ModelRuntime>> runtimes_{MakeRuntime(), MakeRuntime({.weight = 2})};
  std::unique_ptr<WorkQueue> queue_;
  SteadyTime now_ = SteadyTime(std::chrono::seconds(1000));
  std::vector<SteadyTime> busy_until_;
  std::map<int32_t, Expected> expected_;
  int32_t next_id_ = 0;
  double owed_us_ = 0;
  int64_t served_[kNumServiceClasses] = {};
  int64_t dropped_ = 0;
};

TEST(FairScheduleModel, EveryScheduleKeepsThePromises) {
  int64_t interactive = 0, bulk = 0, dropped = 0;
  for (uint32_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    FairSchedule schedule(seed);
    schedule.Run();
    ASSERT_FALSE(testing::Test::HasFailure());
    interactive += schedule.served(ServiceClass::kInteractive);
    bulk += schedule.served(ServiceClass::kBulk);
    dropped += schedule.dropped();
  }
  // The schedules are worth something only if all of this happens a lot.
  EXPECT_GT(interactive, 100'000);
  EXPECT_GT(bulk, 100'000);
  EXPECT_GT(dropped, 10'000);
}

}  // namespace
}  // namespace attendant
