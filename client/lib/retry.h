// When to try a failed call again, and after how long.
//
// The rule: UNAVAILABLE is tried again, and CANCELLED (by the other side); RESOURCE_EXHAUSTED is tried again when the
// server said when (an overloaded Attendant server always does; a message over a size limit never gets better by
// repetition and carries no hint). The n-th wait is drawn from [base/2, base], base = min(max_backoff, initial_backoff
// * multiplier^n); with a hint the wait is the hint plus up to base/2, so that clients which were refused together do
// not come back together.
//
// It is not: a place that knows gRPC; the hint travels as a payload of absl::Status.
// Thread-safety: Backoff belongs to one thread; the functions may be called from any.
#ifndef ATTENDANT_CLIENT_LIB_RETRY_H_
#define ATTENDANT_CLIENT_LIB_RETRY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <random>

#include "absl/status/status.h"
#include "client/lib/clock.h"
#include "client/lib/types.h"

namespace attendant::client {

struct RetryPolicy {
  int max_attempts = 6;  // the first included; 1: never try again
  Milliseconds initial_backoff{100};
  Milliseconds max_backoff{5000};
  double multiplier = 2.0;
};

// The server's hint in a failed call's status; absent when it gave none.
std::optional<Milliseconds> RetryAfter(const absl::Status& status);
void SetRetryAfter(Milliseconds delay, absl::Status* status);

bool IsRetryable(const absl::Status& status);

class Backoff {
 public:
  Backoff(const RetryPolicy& policy, uint64_t seed) : policy_(policy), random_(seed) {}

  // The wait before the next attempt; grows with every call until Reset.
  Milliseconds Next(std::optional<Milliseconds> hint);
  void Reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  RetryPolicy policy_;
  std::mt19937_64 random_;
  int failures_ = 0;
};

// Runs attempt until it succeeds, fails for good, has been run policy.max_attempts times, or the next wait would end
// after the deadline (the last error is then returned at once: waiting for a refusal helps nobody).
absl::Status CallWithRetries(const RetryPolicy& policy, uint64_t seed, Clock& clock, SteadyTime deadline,
                             const std::function<absl::Status()>& attempt);

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_RETRY_H_
