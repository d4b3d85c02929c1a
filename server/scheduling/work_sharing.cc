#include "server/scheduling/work_sharing.h"

#include <functional>
#include <utility>

#include "absl/status/status.h"

namespace attendant {

// Results may come before the call is admitted; they wait here. Of a refused call nothing is answered.
class WorkSharing::Verdict {
 public:
  void Deliver(const std::function<void(WorkResult)>& done, WorkResult result) {
    {
      const std::lock_guard lock(mutex_);
      if (state_ == State::kRefused) return;
      if (state_ == State::kOpen) {
        early_.emplace_back(done, std::move(result));
        return;
      }
    }
    done(std::move(result));
  }

  void Accept() {
    std::vector<std::pair<std::function<void(WorkResult)>, WorkResult>> early;
    {
      const std::lock_guard lock(mutex_);
      state_ = State::kAccepted;
      early.swap(early_);
    }
    for (auto& [done, result] : early) done(std::move(result));
  }

  void Refuse() {
    refused_->Cancel();
    const std::lock_guard lock(mutex_);
    state_ = State::kRefused;
    early_.clear();
  }

  std::shared_ptr<const CancelToken> refused() const { return refused_; }

 private:
  enum class State { kOpen, kAccepted, kRefused };

  const std::shared_ptr<CancelToken> refused_ = std::make_shared<CancelToken>();
  std::mutex mutex_;  // guards what follows
  State state_ = State::kOpen;
  std::vector<std::pair<std::function<void(WorkResult)>, WorkResult>> early_;
};

// What becomes of the items of one call.
struct WorkSharing::Plan {
  struct Known {
    std::function<void(WorkResult)> done;
    std::shared_ptr<const SequenceResult> result;
  };

  std::vector<WorkItem> items;  // for the scheduler
  std::vector<Known> known;
  std::unordered_map<WorkKey, std::shared_ptr<JointWork>, absl::Hash<WorkKey>> own;  // that others may join
  std::shared_ptr<Verdict> verdict;  // null: nothing of others was joined
};

AdmissionResult WorkSharing::Submit(Scheduler* scheduler, WorkCall call) {
  if (!options_.join_identical && !cache_.enabled()) return scheduler->Submit(std::move(call));
  Plan plan;
  std::vector<WorkItem> items = std::exchange(call.items, {});
  for (WorkItem& item : items) PlanItem(call, std::move(item), &plan);
  call.items = std::move(plan.items);
  AdmissionResult result = scheduler->Submit(std::move(call));
  if (!result.status.ok()) {
    if (plan.verdict != nullptr) plan.verdict->Refuse();
    return result;
  }
  if (options_.join_identical) {
    for (const auto& [key, work] : plan.own) Register(key, work);
  }
  if (plan.verdict != nullptr) plan.verdict->Accept();
  for (Plan::Known& known : plan.known) {
    WorkResult answer;
    answer.output = *known.result;
    answer.cost.origin = WorkOrigin::kCached;
    known.done(std::move(answer));
  }
  return result;
}

void WorkSharing::PlanItem(const WorkCall& call, WorkItem item, Plan* plan) {
  std::optional<WorkKey> key = KeyOf(*call.runtime, item);
  if (!key.has_value()) {
    plan->items.push_back(std::move(item));
    return;
  }
  if (auto known = cache_.Find(*key)) {
    plan->known.push_back({std::move(item.done), std::move(known)});
    return;
  }
  if (options_.join_identical && JoinOther(call, *key, &item, plan)) {
    joined_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  auto work = std::make_shared<JointWork>(call.service_class, call.deadline);
  work->Join({.deadline = call.deadline, .cancel = call.cancel, .refused = nullptr, .done = std::move(item.done)});
  if (options_.join_identical) plan->own.emplace(*key, work);
  item.done = [this, work, key = *std::move(key)](WorkResult result) { Complete(key, work, std::move(result)); };
  item.joint = std::move(work);
  plan->items.push_back(std::move(item));
}

// Work of the same call, or of others'.
bool WorkSharing::JoinOther(const WorkCall& call, const WorkKey& key, WorkItem* item, Plan* plan) {
  JointWork::Owner owner{
      .deadline = call.deadline, .cancel = call.cancel, .refused = nullptr, .done = std::move(item->done)};
  if (const auto own = plan->own.find(key); own != plan->own.end()) return own->second->Join(std::move(owner));
  std::shared_ptr<JointWork> other;
  {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.under_way.find(key);
    if (found != shard.under_way.end()) other = found->second;
  }
  if (other != nullptr && other->Suits(call.service_class, call.deadline)) {
    if (plan->verdict == nullptr) plan->verdict = std::make_shared<Verdict>();
    JointWork::Owner joining = owner;
    joining.refused = plan->verdict->refused();
    joining.done = [verdict = plan->verdict, done = owner.done](WorkResult result) {
      verdict->Deliver(done, std::move(result));
    };
    if (other->Join(std::move(joining))) return true;
  }
  item->done = std::move(owner.done);
  return false;
}

void WorkSharing::Register(const WorkKey& key, const std::shared_ptr<JointWork>& work) {
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  // It may be done already; whoever ends it takes it out again, and must find it if it is in.
  if (work->closed()) return;
  // What is there has come to its end, or could not be joined by a call like this one, which is in more of a hurry: the
  // next ones had better join this.
  shard.under_way.insert_or_assign(key, work);
}

void WorkSharing::Complete(const WorkKey& key, const std::shared_ptr<JointWork>& work, WorkResult result) {
  // Known before it is no longer under way: nobody in between computes it again.
  if (result.status.ok()) cache_.Insert(key, result.output);
  std::vector<JointWork::Owner> owners = work->Close();
  if (options_.join_identical) {
    Shard& shard = ShardOf(key);
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.under_way.find(key);
    if (found != shard.under_way.end() && found->second == work) shard.under_way.erase(found);
  }
  Answer(std::move(owners), std::move(result));
}

void WorkSharing::Answer(std::vector<JointWork::Owner> owners, WorkResult result) {
  const bool dropped = absl::IsCancelled(result.status) || absl::IsDeadlineExceeded(result.status);
  for (size_t i = owners.size(); i-- > 0;) {
    JointWork::Owner& owner = owners[i];
    // The first owner is the one whose call brought it; he is answered last and takes the values themselves.
    WorkResult own = i == 0 ? std::move(result) : result;
    if (i > 0) own.cost.origin = WorkOrigin::kShared;
    // It was dropped because all had gone, each for his own reason.
    if (dropped && owners.size() > 1) {
      const bool cancelled = owner.cancel != nullptr && owner.cancel->cancelled();
      own.status = cancelled ? absl::CancelledError("cancelled by the caller")
                             : absl::DeadlineExceededError("the deadline was over, or could no longer be kept");
    }
    owner.done(std::move(own));
  }
}

SharingStats WorkSharing::stats() const {
  return {.joined_items = joined_.load(std::memory_order_relaxed),
          .cache_limit_bytes = options_.cache_bytes,
          .cache = cache_.stats()};
}

}  // namespace attendant
