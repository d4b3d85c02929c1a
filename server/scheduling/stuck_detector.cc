#include "server/scheduling/stuck_detector.h"

namespace attendant {

StuckDetector::Verdict StuckDetector::Observe(const Observation& now_seen, SteadyTime now) {
  if (!now_seen.has_work || now_seen.batches != batches_) {
    batches_ = now_seen.batches;
    progress_ = now;
    // A probe that is still out is the business of its own thread; its outcome speaks of a time that is over.
    probe_ = Probe::kNone;
    return verdict_ = Verdict::kFine;
  }
  const auto waited = now - progress_;
  if (waited < now_seen.timeout) return verdict_ = Verdict::kFine;
  const bool probe_hangs = probe_ == Probe::kRunning && now - probe_begun_ >= now_seen.timeout;
  const bool stuck = probe_ == Probe::kFailed || probe_hangs || waited >= 2 * now_seen.timeout;
  return verdict_ = stuck ? Verdict::kStuck : Verdict::kSuspect;
}

void StuckDetector::BeginProbe(SteadyTime now) {
  probe_ = Probe::kRunning;
  probe_begun_ = now;
}

void StuckDetector::EndProbe(const absl::Status& outcome) {
  if (probe_ == Probe::kRunning) probe_ = outcome.ok() ? Probe::kPassed : Probe::kFailed;
}

}  // namespace attendant
