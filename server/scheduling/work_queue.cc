#include "server/scheduling/work_queue.h"

#include <algorithm>

namespace attendant {
namespace {

int64_t CeilDiv(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

}  // namespace

void MicroBatch::Clear() {
  items.clear();
  dropped.clear();
  tokens = 0;
}

absl::StatusCode StaleReason(const CancelToken* cancel, SteadyTime deadline, SteadyTime now) {
  if (cancel != nullptr && cancel->cancelled()) return absl::StatusCode::kCancelled;
  return deadline <= now ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kOk;
}

WorkQueue::WorkQueue(const SchedulerOptions& options)
    : max_batch_tokens_(std::max(1, options.max_batch_tokens)),
      max_batch_items_(std::max(1, options.max_batch_items)),
      min_share_tokens_(std::max(1, options.min_share_tokens)),
      max_batch_delay_(options.max_batch_delay),
      patience_(options.patience) {}

void WorkQueue::Push(WorkCall call, SteadyTime now) {
  if (call.items.empty()) return;
  if (calls_.empty()) waiting_since_ = now;
  for (const WorkItem& item : call.items) tokens_ += item.sequence.num_tokens();
  items_ += static_cast<int64_t>(call.items.size());
  const Place place(std::min(call.deadline, now + patience_), next_order_++);
  calls_.emplace(place, Call{.work = std::move(call), .arrival = now});
}

void WorkQueue::TakeBatch(SteadyTime now, int idle_workers, MicroBatch* batch) {
  const int64_t even_share = CeilDiv(tokens_, std::max(1, idle_workers));
  const int64_t share =
      std::clamp<int64_t>(even_share, std::min(min_share_tokens_, max_batch_tokens_), max_batch_tokens_);
  while (!calls_.empty()) {
    const auto first = calls_.begin();
    Call& call = first->second;
    const absl::StatusCode stale = StaleReason(call.work.cancel.get(), call.work.deadline, now);
    if (stale != absl::StatusCode::kOk) {
      if (batch->dropped.size() >= kMaxDropsPerTake) return;
      DropCall(first, stale, &batch->dropped);
      continue;
    }
    const int32_t tokens = call.work.items[call.next].sequence.num_tokens();
    if (!Fits(*batch, tokens, share)) return;
    batch->items.push_back(TakeNext(call));
    batch->tokens += tokens;
    if (call.next == call.work.items.size()) calls_.erase(first);
  }
}

bool WorkQueue::Fits(const MicroBatch& batch, int64_t item_tokens, int64_t share) const {
  if (batch.items.empty()) return true;
  if (batch.items.size() >= static_cast<size_t>(max_batch_items_)) return false;
  if (batch.tokens + item_tokens > max_batch_tokens_) return false;
  // The border nearest to the share: an item that lies more beyond it than before it is the next worker's.
  return batch.tokens + item_tokens / 2 <= share && batch.tokens < share;
}

QueuedItem WorkQueue::TakeNext(Call& call) {
  QueuedItem taken{.item = std::move(call.work.items[call.next]),
                   .arrival = call.arrival,
                   .deadline = call.work.deadline,
                   .cancel = call.work.cancel};
  ++call.next;
  --items_;
  tokens_ -= taken.item.sequence.num_tokens();
  return taken;
}

WorkQueue::Calls::iterator WorkQueue::DropCall(Calls::iterator call, absl::StatusCode reason,
                                               std::vector<DroppedItem>* dropped) {
  while (call->second.next < call->second.work.items.size()) {
    dropped->push_back({TakeNext(call->second), reason});
  }
  return calls_.erase(call);
}

void WorkQueue::DropStale(SteadyTime now, std::vector<DroppedItem>* dropped) {
  for (auto call = calls_.begin(); call != calls_.end();) {
    const WorkCall& work = call->second.work;
    const absl::StatusCode stale = StaleReason(work.cancel.get(), work.deadline, now);
    call = stale == absl::StatusCode::kOk ? std::next(call) : DropCall(call, stale, dropped);
  }
}

void WorkQueue::TakeAll(std::vector<QueuedItem>* all) {
  for (auto& [place, call] : calls_) {
    while (call.next < call.work.items.size()) all->push_back(TakeNext(call));
  }
  calls_.clear();
}

SteadyTime WorkQueue::ReadyTime() const {
  const bool full = tokens_ >= max_batch_tokens_ || items_ >= max_batch_items_;
  if (full || max_batch_delay_.count() <= 0) return SteadyTime::min();
  // The first place: company is not worth a missed deadline.
  return std::min(waiting_since_ + max_batch_delay_, calls_.begin()->first.first);
}

int64_t WorkQueue::UsefulWorkers() const { return std::min(items_, CeilDiv(tokens_, min_share_tokens_)); }

}  // namespace attendant
