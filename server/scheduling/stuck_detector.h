// Decides from what the scheduler says of itself whether work is stuck: there is some, and no batch has ended for long.
//
// Suspicion comes first: a slow batch is no stuck one, so whoever asks is told to make a probe, a forward pass of its
// own. Only when that fails or does not end, or work still does not move as much time later, is it stuck. One batch
// that ends, or a queue that is empty, and all is well again. It is policy only: no lock, no clock, no threads; the
// caller passes time in. Thread-safety: none.
#ifndef ATTENDANT_SERVER_SCHEDULING_STUCK_DETECTOR_H_
#define ATTENDANT_SERVER_SCHEDULING_STUCK_DETECTOR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "server/scheduling/scheduler.h"

namespace attendant {

class StuckDetector {
 public:
  enum class Verdict {
    kFine,
    kSuspect,  // a probe is wanted, or under way
    kStuck,
  };

  struct Observation {
    int64_t batches = 0;  // ended since the start
    bool has_work = false;
    Microseconds timeout{0};  // that a batch may take, however slow
  };

  // Called every now and then, often beside the timeout.
  Verdict Observe(const Observation& now_seen, SteadyTime now);

  // A probe was begun, at the caller's choice while kSuspect; it has ended so.
  void BeginProbe(SteadyTime now);
  void EndProbe(const absl::Status& outcome);

  bool wants_probe() const { return verdict_ == Verdict::kSuspect && probe_ == Probe::kNone; }
  Verdict verdict() const { return verdict_; }

 private:
  enum class Probe { kNone, kRunning, kPassed, kFailed };

  Verdict verdict_ = Verdict::kFine;
  Probe probe_ = Probe::kNone;
  int64_t batches_ = -1;
  SteadyTime progress_;  // when a batch was last seen to have ended, or no work to be there
  SteadyTime probe_begun_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_STUCK_DETECTOR_H_
