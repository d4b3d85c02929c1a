// Says yes or no to a call, now: token and item budgets of the queue, deadline, draining; with a hint when to try
// again.
//
// It is policy only: no lock, no clock, no threads; the caller passes time and load in.
// Thread-safety: none; the Scheduler calls it under its lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_ADMISSION_H_
#define ATTENDANT_SERVER_SCHEDULING_ADMISSION_H_

#include <chrono>
#include <cstdint>

#include "server/scheduling/scheduler.h"

namespace attendant {

class Admission {
 public:
  struct Call {
    int64_t items = 0;
    int64_t tokens = 0;
    SteadyTime deadline = SteadyTime::max();
  };
  // What waits in the queue at the moment; running work does not count.
  struct Load {
    int64_t items = 0;
    int64_t tokens = 0;
  };

  explicit Admission(const SchedulerOptions& options);

  // A call that could never be admitted, however empty the queue, is told so and gets no hint.
  AdmissionResult Check(const Call& call, const Load& load, SteadyTime now) const;

  void StartDraining() { draining_ = true; }
  bool draining() const { return draining_; }

  // The speed that the hints are computed from: a moving average over the last batches.
  void RecordBatch(int64_t tokens, Microseconds compute);
  // Of all workers together.
  double tokens_per_second() const;

 private:
  std::chrono::milliseconds RetryAfter(const Call& call, const Load& load) const;

  int64_t max_items_;
  int64_t max_tokens_;
  int num_workers_;
  bool draining_ = false;
  double recent_tokens_;
  double recent_seconds_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_ADMISSION_H_
