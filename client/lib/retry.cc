#include "client/lib/retry.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace attendant::client {
namespace {

// A hint beyond a day is no hint; the cap keeps all arithmetic with it safe.
constexpr Milliseconds kLongestHint{86'400'000};

constexpr char kRetryAfterPayload[] = "attendant.client/retry_after_ms";

}  // namespace

std::optional<Milliseconds> RetryAfter(const absl::Status& status) {
  const auto payload = status.GetPayload(kRetryAfterPayload);
  int64_t delay_ms = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &delay_ms)) return std::nullopt;
  return Milliseconds(delay_ms);
}

void SetRetryAfter(Milliseconds delay, absl::Status* status) {
  const Milliseconds kept = std::clamp(delay, Milliseconds(0), kLongestHint);
  status->SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(kept.count())));
}

bool IsRetryable(const absl::Status& status) {
  // The client cancels no call that somebody waits for. gRPC's C++ servers answer so what reaches them in the moment of
  // their shutdown, before they have looked at it.
  if (absl::IsUnavailable(status) || absl::IsCancelled(status)) return true;
  return absl::IsResourceExhausted(status) && RetryAfter(status).has_value();
}

Milliseconds Backoff::Next(std::optional<Milliseconds> hint) {
  // From 2^62 on the power is capped anyway; the bound keeps it finite for any multiplier near 2.
  const double growth = std::pow(policy_.multiplier, std::min(failures_, 62));
  ++failures_;
  const double base_ms = std::min<double>(policy_.max_backoff.count(), policy_.initial_backoff.count() * growth);
  const double half = std::uniform_real_distribution<double>(0.0, 0.5)(random_) * base_ms;
  if (!hint.has_value()) return Milliseconds(std::llround(base_ms / 2 + half));
  return *hint + Milliseconds(std::llround(half));
}

absl::Status CallWithRetries(const RetryPolicy& policy, uint64_t seed, Clock& clock, SteadyTime deadline,
                             const std::function<absl::Status()>& attempt) {
  Backoff backoff(policy, seed);
  for (int attempts = 1;; ++attempts) {
    absl::Status status = attempt();
    if (status.ok() || !IsRetryable(status) || attempts >= policy.max_attempts) return status;
    const SteadyTime now = clock.Now();
    const Milliseconds wait = backoff.Next(RetryAfter(status));
    if (now >= deadline || deadline - now <= wait) return status;
    clock.SleepUntil(now + wait);
  }
}

}  // namespace attendant::client
