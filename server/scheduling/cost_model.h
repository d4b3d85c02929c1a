// What work costs on this machine: measured at load, corrected while running.
//
// A sequence of n tokens is predicted to take token_us * n + square_us * n^2 on one worker (the products; attention).
// A batch costs something beyond its tokens, too: the weights stream through the caches once for each, and the last
// register tiles are not full. From that follows when queued work is worth cutting into more batches, one for each idle
// worker; work too small to be cut is shared step by step instead (worker_team.h).
// Thread-safety: plain values; the scheduler uses a CostCorrection under its lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_COST_MODEL_H_
#define ATTENDANT_SERVER_SCHEDULING_COST_MODEL_H_

#include <cstdint>

#include "server/scheduling/batch_runner.h"
#include "server/scheduling/scheduler_types.h"

namespace attendant {

struct CostModel {
  double batch_us = 0;   // of any batch, on one worker
  double token_us = 1;   // of each of its tokens
  double square_us = 0;  // of each token with each other token of its sequence
  // Queued work is cut into a batch for each idle worker as long as every batch has this many tokens.
  int32_t min_share_tokens = 32;

  double SequenceUs(int32_t tokens) const { return tokens * (token_us + square_us * tokens); }
};

// Runs sequences of 16, 64 and 256 tokens (fewer where max_tokens is smaller), each some times or for some 30 ms; also
// warms the caches up. Calling thread only; the session is left as it was.
CostModel MeasureCost(BatchRunner::Session& session, int32_t max_tokens, const SchedulerClock& clock);

// The machine is not what it was at load: others use it, clocks change, batches share caches. Actual over predicted
// time of the last batches (some twenty), by which predictions are multiplied.
class CostCorrection {
 public:
  void Record(double predicted_us, Microseconds actual);
  double factor() const { return actual_us_ / predicted_us_; }

 private:
  // As if a millisecond had been predicted well.
  double predicted_us_ = 1000;
  double actual_us_ = 1000;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_COST_MODEL_H_
