#include "server/scheduling/class_queue.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "server/scheduling/model_runtime.h"

namespace attendant {
namespace {

// Of the flows beyond kMaxFlows.
constexpr size_t kSharedFlows = 16;

}  // namespace

void ClassQueue::Push(WorkCall work, Place place, SteadyTime arrival, double cost_us) {
  Flow* flow = FlowOf(work);
  if (flow->calls.empty()) {
    ++busy_flows_;
    // Whoever comes back is served from now on, not for the time of its absence.
    flow->virtual_us = std::max(flow->virtual_us, VirtualNow());
  }
  for (const WorkItem& item : work.items) tokens_ += item.sequence.num_tokens();
  items_ += static_cast<int64_t>(work.items.size());
  cost_us_ += cost_us;
  flow->cost_us += cost_us;
  Call call{.work = std::move(work), .place = place, .arrival = arrival, .cost_us = cost_us, .flow = flow};
  Call* placed = &calls_.emplace(place, std::move(call)).first->second;
  flow->calls.emplace(place, placed);
}

ClassQueue::Call* ClassQueue::Next(const ModelRuntime* runtime) {
  const double limit = VirtualNow() + kAllowanceUs;
  Call* next = nullptr;
  for (const auto& [key, flow] : flows_) {
    if (flow.calls.empty() || flow.virtual_us > limit || (runtime != nullptr && key.second != runtime)) continue;
    Call* first = flow.calls.begin()->second;
    if (next == nullptr || first->place < next->place) next = first;
  }
  return next;
}

WorkItem ClassQueue::Take(Call* call, double cost_us, Fate fate) {
  WorkItem item = std::move(call->work.items[call->next++]);
  --items_;
  tokens_ -= item.sequence.num_tokens();
  const bool last = call->next == call->work.items.size();
  // What the prediction was when the call came, not what it would be now: sums end at zero.
  const double part = last ? call->cost_us : std::min(cost_us, call->cost_us);
  call->cost_us -= part;
  call->flow->cost_us -= part;
  cost_us_ -= part;
  if (fate == Fate::kServed) call->flow->virtual_us += cost_us / call->flow->weight;
  return item;
}

void ClassQueue::Remove(Call* call) {
  Flow* flow = call->flow;
  flow->calls.erase(call->place);
  if (flow->calls.empty()) {
    flow->cost_us = 0;
    --busy_flows_;
  }
  calls_.erase(Place(call->place));
  if (calls_.empty()) cost_us_ = 0;  // no rest of rounding stays
}

double ClassQueue::VirtualNow() {
  bool any = false;
  double least = 0;
  for (const auto& [key, flow] : flows_) {
    if (flow.calls.empty()) continue;
    least = any ? std::min(least, flow.virtual_us) : flow.virtual_us;
    any = true;
  }
  if (any) virtual_now_us_ = std::max(virtual_now_us_, least);
  return virtual_now_us_;
}

void ClassQueue::ForgetIdleFlows(double now_us) {
  std::erase_if(
      flows_, [now_us](const auto& entry) { return entry.second.calls.empty() && entry.second.virtual_us <= now_us; });
}

ClassQueue::FlowKey ClassQueue::KeyOf(const WorkCall& work) const {
  FlowKey key(work.flow, work.runtime.get());
  if (flows_.size() < kMaxFlows || flows_.count(key) > 0) return key;
  // No caller's name has a zero byte.
  return {std::string(1, '\0') + std::to_string(std::hash<std::string>()(work.flow) % kSharedFlows), key.second};
}

ClassQueue::Flow* ClassQueue::FlowOf(const WorkCall& work) {
  if (flows_.size() >= kMaxFlows / 2) ForgetIdleFlows(VirtualNow());
  const auto [entry, is_new] = flows_.try_emplace(KeyOf(work));
  if (is_new) entry->second.weight = work.runtime->quota().weight;
  return &entry->second;
}

const ClassQueue::Flow* ClassQueue::FindFlow(const WorkCall& work) const {
  const auto found = flows_.find(KeyOf(work));
  return found == flows_.end() ? nullptr : &found->second;
}

ClassQueue::Forecast ClassQueue::Predict(const Arrival& arrival, SteadyTime now, double us_per_us) const {
  const auto finish = [now, us_per_us](double compute_us) {
    return now + Microseconds(static_cast<int64_t>(compute_us * us_per_us));
  };
  Forecast forecast;
  forecast.ahead_us = cost_us_;
  // From the back: most calls come with much the same timeout, so that few are behind a new one.
  for (auto entry = calls_.rbegin(); entry != calls_.rend() && entry->first.first > arrival.place; ++entry) {
    const SteadyTime deadline = entry->second.work.deadline;
    const bool in_time = finish(forecast.ahead_us) <= deadline;
    if (in_time && finish(forecast.ahead_us + arrival.cost_us) > deadline) forecast.delays_others = true;
    forecast.ahead_us -= entry->second.cost_us;
  }
  // A flow that has little queued need not wait for all of one that has much; nor may that one complain.
  const Flow* flow = FindFlow(*arrival.work);
  const bool idle = flow == nullptr || flow->calls.empty();
  const auto others = static_cast<double>(busy_flows_ - (idle ? 0 : 1));
  const double own_us = idle ? 0 : flow->cost_us;
  const double fair_us = own_us + others * (own_us + arrival.cost_us + kAllowanceUs);
  if (fair_us < forecast.ahead_us) forecast = {.ahead_us = fair_us, .delays_others = false};
  return forecast;
}

}  // namespace attendant
