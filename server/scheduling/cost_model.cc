#include "server/scheduling/cost_model.h"

#include <algorithm>
#include <array>
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
// Each batch moves the correction a twentieth of the way; no factor beyond these is believed.
constexpr double kDecay = 0.95;
constexpr double kMostCorrection = 50;

// The quickest of some runs, in microseconds.
double TimeOf(BatchRunner::Session& session, int32_t tokens, const SchedulerClock& clock) {
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
  return static_cast<double>(best.count());
}

// The parabola through three points: slopes of its two chords, and how the slope grows. What noise makes negative is 0.
CostModel Fit(const std::array<int32_t, 3>& tokens, const std::array<double, 3>& us) {
  const double first_slope = (us[1] - us[0]) / (tokens[1] - tokens[0]);
  const double second_slope = (us[2] - us[1]) / (tokens[2] - tokens[1]);
  CostModel cost;
  cost.square_us = std::max(0.0, (second_slope - first_slope) / (tokens[2] - tokens[0]));
  // Through the outer points: their distance is large against the noise.
  const double slope = (us[2] - us[0]) / (tokens[2] - tokens[0]);
  cost.token_us = std::max(1e-3, slope - cost.square_us * (tokens[2] + tokens[0]));
  cost.batch_us = std::max(0.0, us[0] - cost.SequenceUs(tokens[0]));
  return cost;
}

}  // namespace

CostModel MeasureCost(BatchRunner::Session& session, int32_t max_tokens, const SchedulerClock& clock) {
  CostModel cost;
  const std::array<int32_t, 3> tokens = {std::min(16, max_tokens), std::min(64, max_tokens), std::min(256, max_tokens)};
  if (tokens[2] > tokens[1]) {
    cost = Fit(tokens, {TimeOf(session, tokens[0], clock), TimeOf(session, tokens[1], clock),
                        TimeOf(session, tokens[2], clock)});
  } else {
    // Too short a range to tell the parts of a cost from each other.
    cost.token_us = std::max(1e-3, TimeOf(session, max_tokens, clock) / max_tokens);
  }
  const double share = kTokensPerBatchCost * cost.batch_us / cost.token_us;
  cost.min_share_tokens = static_cast<int32_t>(std::clamp<double>(std::ceil(share), kLeastShare, kMostShare));
  return cost;
}

void CostCorrection::Record(double predicted_us, Microseconds actual) {
  const auto actual_us = static_cast<double>(actual.count());
  if (predicted_us <= 0 || actual_us <= 0) return;
  // Sums, not ratios, decay: a large batch says more about the speed than a small one.
  predicted_us_ = kDecay * predicted_us_ + predicted_us;
  actual_us_ = kDecay * actual_us_ + std::min(actual_us, kMostCorrection * predicted_us);
}

}  // namespace attendant
