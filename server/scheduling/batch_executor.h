// One worker's hands: runs a micro-batch through the engine and gives every item its result, exactly once.
//
// It is not: a thread, nor a policy; it decides nothing but which items nobody waits for any more.
// Thread-safety: belongs to one worker thread. Callbacks run on the calling thread; the caller holds no lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_BATCH_EXECUTOR_H_
#define ATTENDANT_SERVER_SCHEDULING_BATCH_EXECUTOR_H_

#include <memory>
#include <vector>

#include "server/scheduling/scheduler.h"
#include "server/scheduling/work_queue.h"

namespace attendant {

// Tells items that will never run why, and the observer how many. Leaves the vector empty.
void CompleteDropped(std::vector<DroppedItem>* dropped, SteadyTime now, SchedulerObserver* observer);

class BatchExecutor {
 public:
  // worker: whose sessions it uses. observer may be null; both references outlive the executor.
  BatchExecutor(int worker, const SchedulerClock& clock, SchedulerObserver* observer)
      : worker_(worker), clock_(clock), observer_(observer) {}

  // Runs batch.items; returns the time that took. Results wait in the executor for Complete.
  // team may be null.
  Microseconds Run(MicroBatch* batch, Team* team);
  // Calls `done` of every item of the batch that was run last, and forgets it.
  void Complete(MicroBatch* batch);

 private:
  void Prepare(MicroBatch* batch);
  void Report(const MicroBatch& batch, double predicted_us) const;
  bool IsAbandoned(const MicroBatch& batch, size_t index);
  void RunSession(MicroBatch* batch, Team* team);
  // Runs count tasks from first; what the engine threw, or OK.
  absl::Status TryRun(MicroBatch* batch, size_t first, size_t count, Team* team);
  absl::Status ItemStatus(size_t index) const;

  const int worker_;
  const SchedulerClock& clock_;
  SchedulerObserver* observer_;
  SteadyTime start_;
  Microseconds compute_{0};
  size_t first_task_ = 0;  // of those that the session is running
  // One each per item of the batch; they keep their memory.
  std::vector<SequenceTask> tasks_;
  std::vector<SequenceResult> results_;
  std::vector<absl::StatusCode> stale_;
  std::vector<int32_t> layers_;       // that were computed: how often it was asked whether the item is still wanted
  std::vector<absl::Status> thrown_;  // empty: nothing was
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_BATCH_EXECUTOR_H_
