// Says yes or no to a call, now: budgets of the queue, stages of shedding, deadline against predicted finish, draining;
// with a hint when to try again.
//
// It is policy only: no lock, no clock, no threads; the caller passes time and load in.
// Thread-safety: none; the Scheduler calls it under its lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_ADMISSION_H_
#define ATTENDANT_SERVER_SCHEDULING_ADMISSION_H_

#include <chrono>
#include <cstdint>

#include "server/scheduling/scheduler.h"
#include "server/scheduling/shedding.h"

namespace attendant {

class Admission {
 public:
  struct Call {
    int64_t items = 0;
    int64_t tokens = 0;
    SteadyTime deadline = SteadyTime::max();
    ServiceClass service_class = ServiceClass::kInteractive;
    double cost_us = 0;     // predicted, of all items on one worker
    double longest_us = 0;  // of the longest item
    double batch_us = 0;    // of a full batch
  };
  struct Load {
    // What waits in the queue at the moment.
    int64_t items = 0;
    int64_t tokens = 0;
    // Of the call's model.
    int64_t model_tokens = 0;
    int64_t max_model_tokens = INT64_MAX;
    // What would be served before the call, and whether the call would make others late (class_queue.h).
    double ahead_us = 0;
    bool delays_others = false;
    double running_us = 0;  // predicted for the batches that are being computed
    int idle_workers = 0;
  };

  explicit Admission(const SchedulerOptions& options);

  // A call that could never be admitted, however empty the queue, is told so and gets no hint.
  AdmissionResult Check(const Call& call, const Load& load, SteadyTime now);
  // May a stream begin?
  AdmissionResult CheckStream(const Load& load);

  // After work has left the queue: stages of shedding end even if nobody calls.
  void NoteLoad(const Load& load) { shedding_.Update(FillOf(load)); }

  void StartDraining() { draining_ = true; }
  bool draining() const { return draining_; }
  SheddingStage stage() const { return shedding_.stage(); }

  // The speed that the hints are computed from: a moving average over the last batches.
  void RecordBatch(int64_t tokens, Microseconds compute);
  // Of a batch that one worker computed alone.
  void RecordPrediction(double predicted_us, Microseconds actual);
  // What predictions are stretched by.
  double margin() const;
  // Of all workers together.
  double tokens_per_second() const;

 private:
  AdmissionResult CheckBudgets(const Call& call, const Load& load) const;
  AdmissionResult CheckDeadline(const Call& call, const Load& load, SteadyTime now) const;
  // Wall time until the call's last item is computed.
  Microseconds PredictFinish(const Call& call, const Load& load) const;
  std::chrono::milliseconds RetryAfter(const Call& call, const Load& load) const;
  double FillOf(const Load& load) const;

  int64_t max_items_;
  int64_t max_tokens_;
  int num_workers_;
  bool draining_ = false;
  Shedding shedding_;
  double recent_tokens_;
  double recent_seconds_;
  double error_;  // mean of |actual / predicted - 1| of the last batches
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_ADMISSION_H_
