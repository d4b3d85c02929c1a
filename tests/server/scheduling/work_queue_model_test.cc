// Thousands of random schedules of admission and queue, of one class and one flow, against an obvious model, in
// simulated time, without threads.
//
// A schedule draws its limits, then calls arrive, are cancelled and expire while some workers take batches, each busy
// for tokens x time per token. After every step the model, a sorted set of what should be queued, says what must be
// true: nothing lost, nothing served twice, nothing stale served, budgets kept, order kept, no worker idle beside work,
// and nobody waits longer than the bound in work_queue.h.
#include <algorithm>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/scheduling/admission.h"
#include "server/scheduling/work_queue.h"
#include "tests/server/scheduling/fakes.h"

namespace attendant {
namespace {

constexpr Microseconds kTimePerToken{100};

class Schedule {
 public:
  explicit Schedule(uint32_t seed) : random_(seed), options_(DrawOptions()), admission_(options_), queue_(options_) {
    busy_until_.resize(static_cast<size_t>(options_.num_workers));
    max_length_ = Draw(1, std::min<int64_t>(3 * options_.max_batch_tokens / 2, options_.max_queued_tokens));
    // Between a third and three times what the workers can do.
    mean_gap_us_ = Draw(1, 9) * max_length_ * kTimePerToken.count() / (3 * options_.num_workers);
  }

  void Run() {
    for (int step = 0; step < 120 && !testing::Test::HasFailure(); ++step) {
      Arrive();
      if (Draw(0, 4) == 0) CancelOne();
      if (Draw(0, 30) == 0) Sweep();
      AdvanceTo(now_ + Microseconds(Draw(0, 2 * mean_gap_us_)));
    }
    AdvanceTo(now_ + std::chrono::hours(10));
    EXPECT_TRUE(queue_.empty());
    EXPECT_TRUE(model_.empty()) << model_.size() << " items lost";
    EXPECT_EQ(served_ + dropped_, admitted_);
  }

  int64_t served() const { return served_; }
  int64_t dropped() const { return dropped_; }
  int64_t refused() const { return refused_; }

 private:
  struct ItemModel {
    SteadyTime arrival, deadline;
    std::shared_ptr<CancelToken> cancel;
    int32_t tokens;
    bool stale(SteadyTime now) const { return deadline <= now || cancel->cancelled(); }
  };
  // The order they must be served in: place, then call, then item. Ids grow with calls and items.
  using Key = std::pair<SteadyTime, int32_t>;

  int64_t Draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, std::max(low, high))(random_);
  }

  SchedulerOptions DrawOptions() {
    SchedulerOptions options;
    options.num_workers = static_cast<int>(Draw(1, 6));
    options.max_batch_tokens = static_cast<int32_t>(Draw(1, 300));
    options.max_batch_items = static_cast<int32_t>(Draw(1, 20));
    options.max_queued_tokens = Draw(50, 2000);
    options.max_queued_items = Draw(3, 60);
    options.patience = Microseconds(Draw(0, 200'000));
    return options;
  }

  void Arrive() {
    WorkCall call;
    call.runtime = runtime_;
    const auto cancel = std::make_shared<CancelToken>();
    const int64_t count = Draw(1, Draw(0, 3) == 0 ? 12 : 2);
    // Half have no deadline or a far one; the rest are tight enough that some expire.
    if (Draw(0, 1) == 0) call.deadline = now_ + Microseconds(Draw(1, 300'000));
    if (Draw(0, 3) == 0) call.deadline = now_ + std::chrono::hours(1);
    call.cancel = cancel;
    Admission::Call summary{.items = count, .tokens = 0, .deadline = call.deadline};
    for (int64_t i = 0; i < count; ++i) {
      const auto length = static_cast<int32_t>(Draw(1, max_length_));
      call.items.push_back(MakeItem(next_id_ + static_cast<int32_t>(i), length));
      summary.tokens += length;
    }
    // Full is at 95 %, and until it is below 90 % again.
    const double fill =
        std::max(static_cast<double>(queue_.items()) / static_cast<double>(options_.max_queued_items),
                 static_cast<double>(queue_.tokens()) / static_cast<double>(options_.max_queued_tokens));
    full_ = fill >= 0.95 || (full_ && fill >= 0.9);
    const Admission::Load load{.items = queue_.items(), .tokens = queue_.tokens()};
    const bool ok = admission_.Check(summary, load, now_).status.ok();
    EXPECT_EQ(ok, !full_ && queue_.items() + summary.items <= options_.max_queued_items &&
                      queue_.tokens() + summary.tokens <= options_.max_queued_tokens);
    if (!ok) {
      ++refused_;
      return;
    }
    for (const WorkItem& item : call.items) {
      model_[Key(std::min(call.deadline, now_ + options_.patience), next_id_++)] = {now_, call.deadline, cancel,
                                                                                    item.sequence.num_tokens()};
      ++admitted_;
    }
    const double cost_us = queue_.CostOf(call).total_us;
    queue_.Push(std::move(call), cost_us, now_);
    CheckTotals();
    Dispatch();
  }

  void CancelOne() {
    if (model_.empty()) return;
    auto victim = std::next(model_.begin(), Draw(0, static_cast<int64_t>(model_.size()) - 1));
    victim->second.cancel->Cancel();
  }

  void Sweep() {
    std::vector<DroppedItem> dropped;
    queue_.DropStale(now_, &dropped);
    for (const DroppedItem& drop : dropped) RemoveStale(drop);
    for (const auto& [key, item] : model_) EXPECT_FALSE(item.stale(now_)) << "the sweep overlooked an item";
    CheckTotals();
  }

  void CheckTotals() {
    int64_t tokens = 0;
    for (const auto& [key, item] : model_) tokens += item.tokens;
    EXPECT_EQ(queue_.items(), static_cast<int64_t>(model_.size()));
    EXPECT_EQ(queue_.tokens(), tokens);
    EXPECT_LE(queue_.items(), options_.max_queued_items);
    EXPECT_LE(queue_.tokens(), options_.max_queued_tokens);
  }

  void AdvanceTo(SteadyTime end) {
    while (true) {
      const SteadyTime next = NextFree();
      if (next > end) break;
      now_ = next;
      Dispatch();
    }
    now_ = std::max(now_, end);
  }

  // When the first busy worker becomes free.
  SteadyTime NextFree() const {
    SteadyTime next = SteadyTime::max();
    for (const SteadyTime until : busy_until_) {
      if (until > now_) next = std::min(next, until);
    }
    return next;
  }

  void Dispatch() {
    for (SteadyTime& busy_until : busy_until_) {
      while (busy_until <= now_ && !queue_.empty()) {
        const auto idle = std::count_if(busy_until_.begin(), busy_until_.end(), [&](auto t) { return t <= now_; });
        const int64_t tokens = TakeAndCheck(static_cast<int>(idle));
        busy_until = now_ + kTimePerToken * tokens;
      }
    }
  }

  int64_t TakeAndCheck(int idle) {
    MicroBatch batch;
    queue_.TakeBatch(now_, idle, &batch);
    for (const DroppedItem& drop : batch.dropped) RemoveStale(drop);
    EXPECT_FALSE(batch.items.empty() && batch.dropped.empty()) << "a take that takes nothing";
    EXPECT_LE(batch.items.size(), static_cast<size_t>(options_.max_batch_items));
    EXPECT_TRUE(batch.tokens <= options_.max_batch_tokens || batch.items.size() == 1);
    int64_t tokens = 0;
    for (const QueuedItem& queued : batch.items) {
      tokens += queued.item.sequence.num_tokens();
      RemoveServed(queued);
    }
    EXPECT_EQ(batch.tokens, tokens);
    CheckTotals();
    return tokens;
  }

  void RemoveServed(const QueuedItem& queued) {
    ASSERT_FALSE(model_.empty()) << "served what was not queued";
    const auto& [key, item] = *model_.begin();
    ASSERT_EQ(queued.item.sequence.input_ids[0], key.second) << "out of order, lost or served twice";
    EXPECT_FALSE(item.stale(now_)) << "computed for a caller that has gone";
    EXPECT_EQ(queued.arrival, item.arrival);
    EXPECT_LE((now_ - item.arrival).count(), LongestWait().count()) << "starved";
    model_.erase(model_.begin());
    ++served_;
  }

  // After `patience` only what is queued already stays ahead, and all workers work on it; one batch each may be
  // running.
  SteadyTime::duration LongestWait() const {
    const int64_t longest_batch = std::max<int64_t>(options_.max_batch_tokens, max_length_);
    const int64_t tokens = options_.max_queued_tokens / options_.num_workers + 2 * longest_batch;
    return options_.patience + tokens * kTimePerToken;
  }

  void RemoveStale(const DroppedItem& drop) {
    const int32_t id = drop.queued.item.sequence.input_ids[0];
    const auto found =
        std::find_if(model_.begin(), model_.end(), [&](const auto& entry) { return entry.first.second == id; });
    ASSERT_NE(found, model_.end()) << "dropped what was not queued";
    EXPECT_TRUE(found->second.stale(now_) || found->second.deadline < now_ + max_length_ * kTimePerToken)
        << "dropped what was wanted";
    EXPECT_EQ(drop.reason,
              found->second.cancel->cancelled() ? absl::StatusCode::kCancelled : absl::StatusCode::kDeadlineExceeded);
    model_.erase(found);
    ++dropped_;
  }

  std::mt19937 random_;
  SchedulerOptions options_;
  Admission admission_;
  WorkQueue queue_;
  std::shared_ptr<ModelRuntime> runtime_ = MakeRuntime();
  bool full_ = false;
  SteadyTime now_ = SteadyTime(std::chrono::seconds(1000));
  std::vector<SteadyTime> busy_until_;
  int64_t max_length_ = 1;
  int64_t mean_gap_us_ = 1;
  int32_t next_id_ = 0;
  std::map<Key, ItemModel> model_;
  int64_t admitted_ = 0, served_ = 0, dropped_ = 0, refused_ = 0;
};

TEST(WorkQueueModel, EveryScheduleKeepsThePromises) {
  int64_t served = 0, dropped = 0, refused = 0;
  for (uint32_t seed = 1; seed <= 4000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Schedule schedule(seed);
    schedule.Run();
    ASSERT_FALSE(HasFailure());
    served += schedule.served();
    dropped += schedule.dropped();
    refused += schedule.refused();
  }
  // The schedules are worth something only if all of this happens a lot.
  EXPECT_GT(served, 100'000);
  EXPECT_GT(dropped, 10'000);
  EXPECT_GT(refused, 10'000);
}

}  // namespace
}  // namespace attendant
