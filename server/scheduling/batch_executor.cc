#include "server/scheduling/batch_executor.h"

#include <algorithm>
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
      return absl::DeadlineExceededError(absl::StrCat("the deadline was over, or could no longer be kept, ", where));
    default:
      return absl::UnavailableError("the server shut down before the item's turn");
  }
}

// Reports the drops of one batch with one call per reason.
class DropCounter {
 public:
  explicit DropCounter(DropStage stage)
      : reports_{DropReport{absl::StatusCode::kCancelled, stage},
                 DropReport{absl::StatusCode::kDeadlineExceeded, stage},
                 DropReport{absl::StatusCode::kUnavailable, stage}} {}

  void Add(absl::StatusCode reason, int32_t tokens, double saved_us) {
    for (DropReport& report : reports_) {
      if (report.reason != reason) continue;
      ++report.items;
      report.tokens += tokens;
      report.saved_us += saved_us;
    }
  }

  void Report(SchedulerObserver* observer) const {
    if (observer == nullptr) return;
    for (const DropReport& report : reports_) {
      if (report.items > 0) observer->OnDropped(report);
    }
  }

 private:
  std::array<DropReport, 3> reports_;
};

}  // namespace

void CompleteDropped(std::vector<DroppedItem>* dropped, SteadyTime now, SchedulerObserver* observer) {
  // Counted first: whoever learns of its item from `done` finds it counted.
  DropCounter counter(DropStage::kQueue);
  for (const DroppedItem& drop : *dropped) {
    counter.Add(drop.reason, drop.queued.item.sequence.num_tokens(), drop.queued.predicted_us);
  }
  counter.Report(observer);
  for (DroppedItem& drop : *dropped) {
    WorkResult result;
    result.status = DroppedStatus(drop.reason, DropStage::kQueue);
    result.cost.queue = Between(drop.queued.arrival, now);
    std::exchange(drop.queued.item.done, nullptr)(std::move(result));
  }
  dropped->clear();
}

Microseconds BatchExecutor::Run(MicroBatch* batch, Team* team) {
  Prepare(batch);
  start_ = clock_();
  RunSession(batch, team);
  compute_ = Between(start_, clock_());
  batch->runtime->CountBatch(static_cast<int64_t>(batch->items.size()), batch->tokens, compute_);
  if (observer_ != nullptr) {
    const bool shared = team != nullptr && team->size() > 1;
    Report(*batch, shared ? 0 : batch->predicted_us);
  }
  return compute_;
}

void BatchExecutor::Report(const MicroBatch& batch, double predicted_us) const {
  observer_->OnBatch({.items = static_cast<int32_t>(batch.items.size()),
                      .tokens = batch.tokens,
                      .compute = compute_,
                      .predicted_us = predicted_us});
  DropCounter counter(DropStage::kCompute);
  for (size_t i = 0; i < results_.size(); ++i) {
    if (!results_[i].abandoned) continue;
    const QueuedItem& queued = batch.items[i];
    const double left = 1.0 - static_cast<double>(layers_[i]) / std::max(1, batch.runtime->num_layers());
    counter.Add(stale_[i], queued.item.sequence.num_tokens(), std::max(0.0, left) * queued.predicted_us);
  }
  counter.Report(observer_);
}

void BatchExecutor::Prepare(MicroBatch* batch) {
  const size_t count = batch->items.size();
  tasks_.clear();
  results_.clear();
  results_.resize(count);
  stale_.assign(count, absl::StatusCode::kOk);
  layers_.assign(count, 0);
  thrown_.clear();
  for (size_t i = 0; i < count; ++i) {
    const WorkItem& item = batch->items[i].item;
    if (item.joint != nullptr) item.joint->Start();
    tasks_.push_back({.sequence = &item.sequence,
                      .embed = item.embed.has_value() ? &*item.embed : nullptr,
                      .attention = item.attention.has_value() ? &*item.attention : nullptr,
                      .result = &results_[i],
                      .additional = item.additional});
  }
}

void BatchExecutor::RunSession(MicroBatch* batch, Team* team) {
  const absl::Status status = TryRun(batch, 0, tasks_.size(), team);
  if (status.ok()) return;
  // What went wrong may be one item's own, such as the size of its result: each gets a try of its own.
  thrown_.assign(tasks_.size(), status);
  for (size_t i = 0; tasks_.size() > 1 && i < tasks_.size(); ++i) {
    results_[i] = SequenceResult();
    layers_[i] = 0;
    thrown_[i] = TryRun(batch, i, 1, team);
  }
}

absl::Status BatchExecutor::TryRun(MicroBatch* batch, size_t first, size_t count, Team* team) {
  first_task_ = first;
  // Two pointers: as much as std::function holds without an allocation.
  const AbandonedPredicate abandoned = [this, batch](size_t index) { return IsAbandoned(*batch, first_task_ + index); };
  // The engine throws nothing of its own, but it allocates results, and one batch out of memory must not end the
  // process.
  try {
    batch->runtime->SessionOf(worker_).Run(std::span(tasks_).subspan(first, count), abandoned, team);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory while computing the batch");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("the engine failed: ", error.what()));
  }
  return absl::OkStatus();
}

bool BatchExecutor::IsAbandoned(const MicroBatch& batch, size_t index) {
  if (stale_[index] != absl::StatusCode::kOk) return true;
  ++layers_[index];
  const QueuedItem& queued = batch.items[index];
  if (queued.item.joint != nullptr) {
    stale_[index] = queued.item.joint->CloseIfStale(clock_());
    return stale_[index] != absl::StatusCode::kOk;
  }
  const SteadyTime now = queued.deadline == SteadyTime::max() ? SteadyTime::min() : clock_();
  stale_[index] = StaleReason(queued.cancel.get(), queued.deadline, now);
  return stale_[index] != absl::StatusCode::kOk;
}

absl::Status BatchExecutor::ItemStatus(size_t index) const {
  if (!thrown_.empty() && !thrown_[index].ok()) return thrown_[index];
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
