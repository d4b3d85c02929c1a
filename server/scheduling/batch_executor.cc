#include "server/scheduling/batch_executor.h"

#include <array>
#include <exception>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

Microseconds Between(SteadyTime from, SteadyTime to) { return std::chrono::duration_cast<Microseconds>(to - from); }

absl::Status DroppedStatus(absl::StatusCode reason, DropStage stage) {
  const char* where = stage == DropStage::kQueue ? "in the queue" : "during compute";
  switch (reason) {
    case absl::StatusCode::kCancelled:
      return absl::CancelledError(absl::StrCat("cancelled by the caller ", where));
    case absl::StatusCode::kDeadlineExceeded:
      return absl::DeadlineExceededError(absl::StrCat("the deadline was over ", where));
    default:
      return absl::UnavailableError("the server shut down before the item's turn");
  }
}

// Reports the drops of one batch with one call per reason.
class DropCounter {
 public:
  explicit DropCounter(DropStage stage) : stage_(stage) {}

  void Add(absl::StatusCode reason, int32_t tokens) {
    for (size_t i = 0; i < kReasons.size(); ++i) {
      if (kReasons[i] != reason) continue;
      ++items_[i];
      tokens_[i] += tokens;
    }
  }

  void Report(SchedulerObserver* observer) const {
    if (observer == nullptr) return;
    for (size_t i = 0; i < kReasons.size(); ++i) {
      if (items_[i] > 0) observer->OnDropped(kReasons[i], stage_, items_[i], tokens_[i]);
    }
  }

 private:
  static constexpr std::array kReasons = {absl::StatusCode::kCancelled, absl::StatusCode::kDeadlineExceeded,
                                          absl::StatusCode::kUnavailable};
  DropStage stage_;
  std::array<int32_t, kReasons.size()> items_{};
  std::array<int32_t, kReasons.size()> tokens_{};
};

}  // namespace

void CompleteDropped(std::vector<DroppedItem>* dropped, SteadyTime now, SchedulerObserver* observer) {
  // Counted first: whoever learns of its item from `done` finds it counted.
  DropCounter counter(DropStage::kQueue);
  for (const DroppedItem& drop : *dropped) counter.Add(drop.reason, drop.queued.item.sequence.num_tokens());
  counter.Report(observer);
  for (DroppedItem& drop : *dropped) {
    WorkResult result;
    result.status = DroppedStatus(drop.reason, DropStage::kQueue);
    result.cost.queue = Between(drop.queued.arrival, now);
    std::exchange(drop.queued.item.done, nullptr)(std::move(result));
  }
  dropped->clear();
}

BatchExecutor::BatchExecutor(std::unique_ptr<BatchRunner::Session> session, const SchedulerClock& clock,
                             SchedulerObserver* observer)
    : session_(std::move(session)), clock_(clock), observer_(observer) {}

Microseconds BatchExecutor::Run(MicroBatch* batch, Team* team) {
  Prepare(batch);
  start_ = clock_();
  RunSession(batch, team);
  compute_ = Between(start_, clock_());
  if (observer_ != nullptr) {
    observer_->OnBatch(static_cast<int32_t>(batch->items.size()), batch->tokens, compute_);
    DropCounter counter(DropStage::kCompute);
    for (size_t i = 0; i < results_.size(); ++i) {
      if (results_[i].abandoned) counter.Add(stale_[i], batch->items[i].item.sequence.num_tokens());
    }
    counter.Report(observer_);
  }
  return compute_;
}

void BatchExecutor::Prepare(MicroBatch* batch) {
  const size_t count = batch->items.size();
  tasks_.clear();
  results_.clear();
  results_.resize(count);
  stale_.assign(count, absl::StatusCode::kOk);
  batch_status_ = absl::OkStatus();
  for (size_t i = 0; i < count; ++i) {
    const WorkItem& item = batch->items[i].item;
    tasks_.push_back({.sequence = &item.sequence,
                      .embed = item.embed.has_value() ? &*item.embed : nullptr,
                      .attention = item.attention.has_value() ? &*item.attention : nullptr,
                      .result = &results_[i]});
  }
}

void BatchExecutor::RunSession(MicroBatch* batch, Team* team) {
  // Two pointers: as much as std::function holds without an allocation.
  const AbandonedPredicate abandoned = [this, batch](size_t index) { return IsAbandoned(*batch, index); };
  // The engine throws nothing of its own, but it allocates results, and one batch out of memory must not end the
  // process.
  try {
    session_->Run(tasks_, abandoned, team);
  } catch (const std::bad_alloc&) {
    batch_status_ = absl::ResourceExhaustedError("out of memory while computing the batch");
  } catch (const std::exception& error) {
    batch_status_ = absl::InternalError(absl::StrCat("the engine failed: ", error.what()));
  }
}

bool BatchExecutor::IsAbandoned(const MicroBatch& batch, size_t index) {
  if (stale_[index] != absl::StatusCode::kOk) return true;
  const QueuedItem& queued = batch.items[index];
  const SteadyTime now = queued.deadline == SteadyTime::max() ? SteadyTime::min() : clock_();
  stale_[index] = StaleReason(queued.cancel.get(), queued.deadline, now);
  return stale_[index] != absl::StatusCode::kOk;
}

absl::Status BatchExecutor::ItemStatus(size_t index) const {
  if (!batch_status_.ok()) return batch_status_;
  if (!results_[index].abandoned) return results_[index].status;
  if (stale_[index] == absl::StatusCode::kOk) return absl::InternalError("the engine dropped an item that was wanted");
  return DroppedStatus(stale_[index], DropStage::kCompute);
}

void BatchExecutor::Complete(MicroBatch* batch) {
  const WorkCost batch_cost{
      .compute = compute_, .batch_items = static_cast<int32_t>(batch->items.size()), .batch_tokens = batch->tokens};
  for (size_t i = 0; i < batch->items.size(); ++i) {
    WorkResult result{.status = ItemStatus(i), .output = std::move(results_[i]), .cost = batch_cost};
    result.cost.queue = Between(batch->items[i].arrival, start_);
    std::exchange(batch->items[i].item.done, nullptr)(std::move(result));
  }
  batch->items.clear();
}

}  // namespace attendant
