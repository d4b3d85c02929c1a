#include "server/scheduling/cost_model.h"

#include <algorithm>
#include <cmath>

namespace attendant {
namespace {

constexpr int kRuns = 4;
constexpr Microseconds kEnough{30'000};
// A share's own cost may be a fifth of what its tokens cost, within bounds: below two register tiles of rows products
// are slow, and above a full batch of an even split nothing is gained by waiting for more.
constexpr double kTokensPerBatchCost = 5.0;
constexpr int32_t kLeastShare = 16;
constexpr int32_t kMostShare = 128;

// The quickest of some runs.
Microseconds TimeOf(BatchRunner::Session& session, int32_t tokens, const SchedulerClock& clock) {
  TokenSequence sequence;
  sequence.input_ids.assign(static_cast<size_t>(tokens), 0);
  sequence.token_type_ids.assign(static_cast<size_t>(tokens), 0);
  const EmbedSpec embed;
  Microseconds best = Microseconds::max();
  Microseconds spent{0};
  for (int run = 0; run < kRuns && spent < kEnough; ++run) {
    SequenceResult result;
    const SequenceTask task{.sequence = &sequence, .embed = &embed, .attention = nullptr, .result = &result};
    const SteadyTime start = clock();
    session.Run({&task, 1}, {}, nullptr);
    const auto took = std::chrono::duration_cast<Microseconds>(clock() - start);
    best = std::min(best, took);
    spent += took;
  }
  return best;
}

}  // namespace

CostModel MeasureCost(BatchRunner::Session& session, int32_t max_tokens, const SchedulerClock& clock) {
  const int32_t few = std::min(16, max_tokens);
  const int32_t many = std::min(128, max_tokens);
  const Microseconds small = TimeOf(session, few, clock);
  CostModel cost;
  cost.token_us = static_cast<double>(small.count()) / few;
  if (many <= few) return cost;
  const Microseconds large = TimeOf(session, many, clock);
  cost.token_us = std::max(1e-3, static_cast<double>((large - small).count()) / (many - few));
  cost.batch =
      Microseconds(std::max<int64_t>(0, std::llround(static_cast<double>(small.count()) - few * cost.token_us)));
  const double share = kTokensPerBatchCost * static_cast<double>(cost.batch.count()) / cost.token_us;
  cost.min_share_tokens = static_cast<int32_t>(std::clamp<double>(std::ceil(share), kLeastShare, kMostShare));
  return cost;
}

}  // namespace attendant
