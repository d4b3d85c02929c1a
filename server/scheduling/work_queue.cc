#include "server/scheduling/work_queue.h"

#include <algorithm>
#include <utility>

namespace attendant {
namespace {

int64_t CeilDiv(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// A queued sequence's time on one worker, as things are now.
double Predicted(const ModelRuntime& runtime, int32_t tokens) {
  return runtime.cost().SequenceUs(tokens) * runtime.correction().factor();
}

// Of an item whose own call does not want it any more. One that nobody wants is closed: it must be dropped now.
bool IsWantedByOthers(const WorkItem& item, SteadyTime finish) {
  return item.joint != nullptr && item.joint->CloseIfStale(finish) == absl::StatusCode::kOk;
}

Microseconds AsTime(double us) { return Microseconds(static_cast<int64_t>(us)); }

}  // namespace

void MicroBatch::Clear() {
  first_deadline = SteadyTime::max();
  items.clear();
  dropped.clear();
  runtime.reset();
  tokens = 0;
  cost_us = predicted_us = 0;
}

absl::StatusCode StaleReason(const CancelToken* cancel, SteadyTime deadline, SteadyTime now) {
  if (cancel != nullptr && cancel->cancelled()) return absl::StatusCode::kCancelled;
  return deadline <= now ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kOk;
}

WorkQueue::WorkQueue(const SchedulerOptions& options)
    : num_workers_(std::max(1, options.num_workers)),
      max_batch_tokens_(std::max(1, options.max_batch_tokens)),
      max_batch_items_(std::max(1, options.max_batch_items)),
      max_batch_delay_(options.max_batch_delay),
      patience_(options.patience),
      bulk_share_(std::clamp(options.bulk_share, 0.0, 0.9)) {}

void WorkQueue::Push(WorkCall call, double cost_us, SteadyTime now) {
  if (call.items.empty()) return;
  if (empty()) waiting_since_ = now;
  const ClassQueue::Place place(PlaceOf(call, now), next_order_++);
  int64_t& model_tokens = model_tokens_[call.runtime.get()];
  for (const WorkItem& item : call.items) model_tokens += item.sequence.num_tokens();
  ClassQueue& queue = Of(call.service_class);
  queue.Push(std::move(call), place, now, cost_us);
}

void WorkQueue::TakeBatch(SteadyTime now, int idle_workers, MicroBatch* batch) {
  if (empty()) return;
  const ServiceClass service_class = NextClass();
  ClassQueue& queue = Of(service_class);
  int64_t share = 0;
  while (ClassQueue::Call* call = queue.Next(batch->runtime.get())) {
    const int32_t tokens = call->work.items[call->next].sequence.num_tokens();
    const double item_us = Predicted(*call->work.runtime, tokens);
    absl::StatusCode stale = StaleReason(call->work.cancel.get(), call->work.deadline, now);
    if (stale == absl::StatusCode::kOk && IsTooLate(*call, item_us, now)) stale = absl::StatusCode::kDeadlineExceeded;
    const bool is_stale = stale != absl::StatusCode::kOk;
    if (is_stale && batch->dropped.size() >= kMaxDropsPerTake) break;
    if (is_stale && !IsWantedByOthers(call->work.items[call->next], now + AsTime(item_us))) {
      DropCall(&queue, call, stale, now, &batch->dropped);
      continue;
    }
    const SteadyTime deadline = is_stale ? SteadyTime::max() : call->work.deadline;
    if (batch->items.empty()) {
      batch->runtime = call->work.runtime;
      share = std::max(ShareOf(queue, idle_workers),
                       int64_t{std::min(batch->runtime->cost().min_share_tokens, max_batch_tokens_)});
    }
    if (!Fits(*batch, tokens, share) || !WouldBeInTime(*batch, deadline, item_us, now)) break;
    batch->first_deadline = std::min(batch->first_deadline, deadline);
    batch->items.push_back(TakeNext(&queue, call, ClassQueue::Fate::kServed));
    batch->tokens += tokens;
    batch->cost_us += batch->runtime->cost().SequenceUs(tokens);
    batch->predicted_us += item_us;
    if (call->next == call->work.items.size()) queue.Remove(call);
  }
  NoteServed(service_class, batch->predicted_us);
}

ServiceClass WorkQueue::NextClass() {
  const ClassQueue& bulk = of(ServiceClass::kBulk);
  if (bulk.empty()) return ServiceClass::kInteractive;
  if (of(ServiceClass::kInteractive).empty()) return ServiceClass::kBulk;
  const ModelRuntime& runtime = *Of(ServiceClass::kBulk).calls().begin()->second.work.runtime;
  const double batch_us = std::min(bulk.cost_us(), runtime.cost().token_us * max_batch_tokens_);
  return owed_to_bulk_us_ > 0 && owed_to_bulk_us_ >= batch_us ? ServiceClass::kBulk : ServiceClass::kInteractive;
}

void WorkQueue::NoteServed(ServiceClass service_class, double cost_us) {
  if (of(ServiceClass::kBulk).empty()) {
    owed_to_bulk_us_ = 0;
  } else if (service_class == ServiceClass::kInteractive) {
    owed_to_bulk_us_ += cost_us * bulk_share_ / (1 - bulk_share_);
  } else {
    owed_to_bulk_us_ = std::max(0.0, owed_to_bulk_us_ - cost_us);
  }
}

int64_t WorkQueue::ShareOf(const ClassQueue& queue, int idle_workers) const {
  return std::min<int64_t>(CeilDiv(queue.tokens(), std::max(1, idle_workers)), max_batch_tokens_);
}

bool WorkQueue::Fits(const MicroBatch& batch, int64_t item_tokens, int64_t share) const {
  if (batch.items.empty()) return true;
  if (batch.items.size() >= static_cast<size_t>(max_batch_items_)) return false;
  if (batch.tokens + item_tokens > max_batch_tokens_) return false;
  // The border nearest to the share: an item that lies more beyond it than before it is the next worker's.
  return batch.tokens + item_tokens / 2 <= share && batch.tokens < share;
}

bool WorkQueue::IsTooLate(const ClassQueue::Call& call, double item_us, SteadyTime now) const {
  // The last one is always tried: a wrong prediction is corrected by work only.
  if (call.work.deadline == SteadyTime::max() || items() == 1) return false;
  return now + AsTime(item_us) > call.work.deadline;
}

bool WorkQueue::WouldBeInTime(const MicroBatch& batch, SteadyTime item_deadline, double item_us, SteadyTime now) const {
  if (batch.items.empty()) return true;
  const SteadyTime deadline = std::min(batch.first_deadline, item_deadline);
  return deadline == SteadyTime::max() || now + AsTime(batch.predicted_us + item_us) <= deadline;
}

QueuedItem WorkQueue::TakeNext(ClassQueue* queue, ClassQueue::Call* call, ClassQueue::Fate fate) {
  const int32_t tokens = call->work.items[call->next].sequence.num_tokens();
  const ModelRuntime& runtime = *call->work.runtime;
  QueuedItem taken{.item = {},
                   .arrival = call->arrival,
                   .deadline = call->work.deadline,
                   .cancel = call->work.cancel,
                   .predicted_us = Predicted(runtime, tokens)};
  taken.item = queue->Take(call, taken.predicted_us, fate);
  const auto model = model_tokens_.find(&runtime);
  model->second -= tokens;
  if (model->second == 0) model_tokens_.erase(model);
  return taken;
}

void WorkQueue::DropCall(ClassQueue* queue, ClassQueue::Call* call, absl::StatusCode reason, SteadyTime now,
                         std::vector<DroppedItem>* dropped) {
  while (call->next < call->work.items.size()) {
    const WorkItem& item = call->work.items[call->next];
    const double item_us = Predicted(*call->work.runtime, item.sequence.num_tokens());
    if (IsWantedByOthers(item, now + AsTime(item_us))) return;
    dropped->push_back({TakeNext(queue, call, ClassQueue::Fate::kDropped), reason});
  }
  queue->Remove(call);
}

void WorkQueue::DropStale(SteadyTime now, std::vector<DroppedItem>* dropped) {
  for (ClassQueue& queue : classes_) {
    for (auto entry = queue.calls().begin(); entry != queue.calls().end();) {
      ClassQueue::Call& call = (entry++)->second;
      const absl::StatusCode stale = StaleReason(call.work.cancel.get(), call.work.deadline, now);
      if (stale != absl::StatusCode::kOk) DropCall(&queue, &call, stale, now, dropped);
    }
  }
}

void WorkQueue::TakeAll(std::vector<QueuedItem>* all) {
  for (ClassQueue& queue : classes_) {
    while (!queue.empty()) {
      ClassQueue::Call& call = queue.calls().begin()->second;
      while (call.next < call.work.items.size()) {
        all->push_back(TakeNext(&queue, &call, ClassQueue::Fate::kDropped));
      }
      queue.Remove(&call);
    }
  }
}

SteadyTime WorkQueue::PlaceOf(const WorkCall& call, SteadyTime now) const {
  return std::min(call.deadline, now + patience_);
}

WorkQueue::Cost WorkQueue::CostOf(const WorkCall& call) const {
  Cost cost;
  cost.batch_us = max_batch_tokens_ * call.runtime->cost().token_us * call.runtime->correction().factor();
  for (const WorkItem& item : call.items) {
    const double us = Predicted(*call.runtime, item.sequence.num_tokens());
    cost.total_us += us;
    cost.longest_us = std::max(cost.longest_us, us);
  }
  return cost;
}

ClassQueue::Forecast WorkQueue::Predict(const WorkCall& call, const Cost& cost, SteadyTime now) const {
  const ClassQueue& interactive = of(ServiceClass::kInteractive);
  const ClassQueue& bulk = of(ServiceClass::kBulk);
  const ClassQueue::Arrival arrival{&call, PlaceOf(call, now), cost.total_us};
  const auto shared_by = [this](double share) { return 1.0 / (num_workers_ * share); };
  if (call.service_class == ServiceClass::kInteractive) {
    const double share = bulk.empty() ? 1.0 : 1.0 - bulk_share_;
    ClassQueue::Forecast forecast = interactive.Predict(arrival, now, shared_by(share));
    forecast.ahead_us /= share;
    return forecast;
  }
  ClassQueue::Forecast forecast = bulk.Predict(arrival, now, shared_by(1.0));
  forecast.ahead_us += interactive.cost_us();
  return forecast;
}

SteadyTime WorkQueue::ReadyTime() const {
  const bool full = tokens() >= max_batch_tokens_ || items() >= max_batch_items_;
  if (full || max_batch_delay_.count() <= 0) return SteadyTime::min();
  SteadyTime ready = waiting_since_ + max_batch_delay_;
  // The first place: company is not worth a missed deadline.
  for (const ClassQueue& queue : classes_) {
    if (!queue.empty()) ready = std::min(ready, queue.first_place());
  }
  return ready;
}

int64_t WorkQueue::UsefulWorkers(const ModelRuntime& runtime) const {
  return std::min(items(), CeilDiv(tokens(), std::max(1, runtime.cost().min_share_tokens)));
}

int64_t WorkQueue::TokensOf(const ModelRuntime* runtime) const {
  const auto found = model_tokens_.find(runtime);
  return found == model_tokens_.end() ? 0 : found->second;
}

}  // namespace attendant
