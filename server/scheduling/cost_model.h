// What a batch costs on this machine, measured once at start; from it, when queued work is worth cutting into more
// batches, one for each idle worker. A batch costs something beyond its tokens: the weights stream through the caches
// once for each, and the last register tiles are not full. Work too small to be cut is shared step by step instead
// (worker_team.h).
#ifndef ATTENDANT_SERVER_SCHEDULING_COST_MODEL_H_
#define ATTENDANT_SERVER_SCHEDULING_COST_MODEL_H_

#include <cstdint>

#include "server/scheduling/batch_runner.h"
#include "server/scheduling/scheduler.h"

namespace attendant {

struct CostModel {
  Microseconds batch{0};          // of any batch, on one worker
  double token_us = 0;            // of each of its tokens
  int32_t min_share_tokens = 32;  // see SchedulerOptions
};

// Runs sequences of 16 and of 128 tokens (fewer where max_tokens is smaller), each some times or for some 30 ms; also
// warms the caches up. Calling thread only; the session is left as it was.
CostModel MeasureCost(BatchRunner::Session& session, int32_t max_tokens, const SchedulerClock& clock);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_COST_MODEL_H_
