// The order of work and the forming of micro-batches, over the queues of the two classes (class_queue.h).
//
// Interactive work goes first; but while bulk work waits, it is owed its share of the compute time (bulk_share), and
// gets a batch as soon as a whole one is owed. So an interactive call waits for one micro-batch of bulk work at most,
// but for the share; and bulk work waits, once its patience is over and nothing that comes later overtakes it, at most
//   cost of the bulk work ahead / (workers x bulk_share) + two micro-batches,
// where admission keeps the work ahead below half of the queue's budget. Without interactive work bulk has all of it.
//
// A micro-batch is of one class and one model. It takes items strictly in order (never skipping one that does not fit,
// which would starve long ones): up to max_batch_tokens and max_batch_items, or, when the class holds less than enough
// for all idle workers, an even share of it, cut at the item border nearest to the share. A single item above
// max_batch_tokens runs alone. What was cancelled or has expired is dropped when it is reached, and so is what could no
// longer be computed in time while other work waits (unless others joined it who can wait): in deadline order, a queue
// that has fallen behind would otherwise serve every call just too late. A batch also ends where one more item would
// make it late for a deadline in it.
//
// It is policy only: no lock, no clock, no callbacks; the caller passes time in.
// Thread-safety: none; the Scheduler calls it under its lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_WORK_QUEUE_H_
#define ATTENDANT_SERVER_SCHEDULING_WORK_QUEUE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "server/scheduling/class_queue.h"
#include "server/scheduling/joint_work.h"
#include "server/scheduling/scheduler.h"

namespace attendant {

// An item on its way out of the queue, with what its call said.
struct QueuedItem {
  WorkItem item;
  SteadyTime arrival;
  SteadyTime deadline;
  std::shared_ptr<const CancelToken> cancel;
  double predicted_us = 0;
};

struct DroppedItem {
  QueuedItem queued;
  absl::StatusCode reason;  // kCancelled or kDeadlineExceeded
};

// Reused from batch to batch, so that its vectors keep their memory.
struct MicroBatch {
  std::vector<QueuedItem> items;
  std::vector<DroppedItem> dropped;
  std::shared_ptr<ModelRuntime> runtime;  // of all items
  int32_t tokens = 0;
  double cost_us = 0;       // by the model alone
  double predicted_us = 0;  // with the correction of the moment
  SteadyTime first_deadline = SteadyTime::max();

  void Clear();
};

class WorkQueue {
 public:
  // Bounds the time under the scheduler's lock, and how long live items wait behind the callbacks of dead ones.
  static constexpr size_t kMaxDropsPerTake = 256;

  explicit WorkQueue(const SchedulerOptions& options);

  // Precondition: admitted.
  // cost_us: CostOf(call).total_us.
  void Push(WorkCall call, double cost_us, SteadyTime now);

  // Fills an empty batch. idle_workers counts the caller, too. Nothing in the batch only if nothing live was queued in
  // the class whose turn it was, or kMaxDropsPerTake was reached.
  void TakeBatch(SteadyTime now, int idle_workers, MicroBatch* batch);
  // Takes out everything that nobody waits for any more, wherever it is.
  void DropStale(SteadyTime now, std::vector<DroppedItem>* dropped);
  void TakeAll(std::vector<QueuedItem>* all);

  // Predicted time on one worker of all items of a call, and of the longest.
  struct Cost {
    double total_us = 0;
    double longest_us = 0;
    double batch_us = 0;  // of a full batch of its model
  };
  Cost CostOf(const WorkCall& call) const;
  // What would be served before the call, if it came now.
  ClassQueue::Forecast Predict(const WorkCall& call, const Cost& cost, SteadyTime now) const;

  // When the next batch may be taken: at once (SteadyTime::min()) unless max_batch_delay asks for company.
  // Precondition: not empty.
  SteadyTime ReadyTime() const;
  // How many workers could take a share of what is queued, when calls are like this one.
  int64_t UsefulWorkers(const ModelRuntime& runtime) const;

  bool empty() const { return items() == 0; }
  int64_t items() const { return classes_[0].items() + classes_[1].items(); }
  int64_t tokens() const { return classes_[0].tokens() + classes_[1].tokens(); }
  const ClassQueue& of(ServiceClass service_class) const { return classes_[static_cast<size_t>(service_class)]; }
  // Of one model, in both classes.
  int64_t TokensOf(const ModelRuntime* runtime) const;

 private:
  ClassQueue& Of(ServiceClass service_class) { return classes_[static_cast<size_t>(service_class)]; }
  ServiceClass NextClass();
  void NoteServed(ServiceClass service_class, double cost_us);
  // Could it be computed before its deadline, if it began now, alone?
  bool IsTooLate(const ClassQueue::Call& call, double item_us, SteadyTime now) const;
  // Would all of the batch be, with an item of this deadline more?
  bool WouldBeInTime(const MicroBatch& batch, SteadyTime item_deadline, double item_us, SteadyTime now) const;
  bool Fits(const MicroBatch& batch, int64_t item_tokens, int64_t share) const;
  int64_t ShareOf(const ClassQueue& queue, int idle_workers) const;
  QueuedItem TakeNext(ClassQueue* queue, ClassQueue::Call* call, ClassQueue::Fate fate);
  // Moves what is left of a call into dropped, up to an item that others still wait for.
  void DropCall(ClassQueue* queue, ClassQueue::Call* call, absl::StatusCode reason, SteadyTime now,
                std::vector<DroppedItem>* dropped);
  SteadyTime PlaceOf(const WorkCall& call, SteadyTime now) const;

  int num_workers_;
  int32_t max_batch_tokens_;
  int32_t max_batch_items_;
  Microseconds max_batch_delay_;
  Microseconds patience_;
  double bulk_share_;
  std::array<ClassQueue, kNumServiceClasses> classes_;
  std::map<const ModelRuntime*, int64_t> model_tokens_;  // of models with work
  uint64_t next_order_ = 0;
  double owed_to_bulk_us_ = 0;
  SteadyTime waiting_since_;  // when the queue was last empty
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_WORK_QUEUE_H_
