// The order of work and the forming of micro-batches.
//
// Calls are served earliest deadline first, equal ones first come first served. A call's place is the earlier of its
// deadline and its arrival + patience (a call without a deadline: arrival + patience). So nobody starves: once a call
// has waited for `patience`, whatever arrives later has a later place, and only what is ahead already remains ahead,
// which the queue's budget bounds. A call waits at most patience + max_queued_tokens / (tokens per second).
//
// A micro-batch takes items strictly in that order (never skipping one that does not fit, which would starve long
// ones): up to max_batch_tokens and max_batch_items, or, when the queue holds less than enough for all idle workers, an
// even share of it, cut at the item border nearest to the share. A single item above max_batch_tokens runs alone. What
// was cancelled or has expired is dropped when it is reached.
//
// It is policy only: no lock, no clock, no callbacks; the caller passes time in.
// Thread-safety: none; the Scheduler calls it under its lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_WORK_QUEUE_H_
#define ATTENDANT_SERVER_SCHEDULING_WORK_QUEUE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/scheduling/scheduler.h"

namespace attendant {

// An item on its way out of the queue, with what its call said.
struct QueuedItem {
  WorkItem item;
  SteadyTime arrival;
  SteadyTime deadline;
  std::shared_ptr<const CancelToken> cancel;
};

struct DroppedItem {
  QueuedItem queued;
  absl::StatusCode reason;  // kCancelled or kDeadlineExceeded
};

// Reused from batch to batch, so that its vectors keep their memory.
struct MicroBatch {
  std::vector<QueuedItem> items;
  std::vector<DroppedItem> dropped;
  int32_t tokens = 0;

  void Clear();
};

// Why nobody waits for this work any more, or kOk.
absl::StatusCode StaleReason(const CancelToken* cancel, SteadyTime deadline, SteadyTime now);

class WorkQueue {
 public:
  // Bounds the time under the scheduler's lock, and how long live items wait behind the callbacks of dead ones.
  static constexpr size_t kMaxDropsPerTake = 256;

  explicit WorkQueue(const SchedulerOptions& options);

  // Precondition: admitted.
  void Push(WorkCall call, SteadyTime now);

  // Fills an empty batch. idle_workers counts the caller, too. Nothing in the batch only if nothing live was queued or
  // kMaxDropsPerTake was reached.
  void TakeBatch(SteadyTime now, int idle_workers, MicroBatch* batch);
  // Takes out everything that nobody waits for any more, wherever it is.
  void DropStale(SteadyTime now, std::vector<DroppedItem>* dropped);
  void TakeAll(std::vector<QueuedItem>* all);

  // When the next batch may be taken: at once (SteadyTime::min()) unless max_batch_delay asks for company.
  // Precondition: not empty.
  SteadyTime ReadyTime() const;
  // How many workers could take a share of what is queued.
  int64_t UsefulWorkers() const;

  bool empty() const { return calls_.empty(); }
  int64_t items() const { return items_; }
  int64_t tokens() const { return tokens_; }

 private:
  struct Call {
    WorkCall work;
    SteadyTime arrival;
    size_t next = 0;  // items before it have left the queue
  };
  using Place = std::pair<SteadyTime, uint64_t>;  // then order of arrival
  using Calls = std::map<Place, Call>;

  bool Fits(const MicroBatch& batch, int64_t item_tokens, int64_t share) const;
  QueuedItem TakeNext(Call& call);
  // Moves what is left of a call into dropped.
  Calls::iterator DropCall(Calls::iterator call, absl::StatusCode reason, std::vector<DroppedItem>* dropped);

  int32_t max_batch_tokens_;
  int32_t max_batch_items_;
  int32_t min_share_tokens_;
  Microseconds max_batch_delay_;
  Microseconds patience_;
  Calls calls_;
  uint64_t next_order_ = 0;
  int64_t items_ = 0;
  int64_t tokens_ = 0;
  SteadyTime waiting_since_;  // when the queue was last empty
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_WORK_QUEUE_H_
