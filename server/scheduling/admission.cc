#include "server/scheduling/admission.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr std::chrono::milliseconds kMinRetryAfter{10};
constexpr std::chrono::milliseconds kMaxRetryAfter{5000};
// Another replica can take the call at once; a restarting one needs longer, and the client's own back-off adds to this.
constexpr std::chrono::milliseconds kDrainRetryAfter{100};
// Each batch moves the average a tenth of the way: some ten batches, well under a second of work.
constexpr double kDecay = 0.9;
// Before anything was measured: one worker's fp32 speed on a small model, on the low side.
constexpr double kInitialTokensPerSecond = 2000;
// Callers that are refused together must not all come back for the few tokens that free up first.
constexpr int64_t kMinDrainedShare = 8;

AdmissionResult TooLarge(int64_t wanted, const char* unit, int64_t limit, const char* flag) {
  return {absl::ResourceExhaustedError(absl::StrCat("the call has ", wanted, " ", unit, ", more than the ", limit,
                                                    " that the queue can ever hold (", flag,
                                                    "); it can never be accepted: send it in smaller parts")),
          std::chrono::milliseconds(0)};
}

absl::Status QueueFull(int64_t queued, int64_t wanted, const char* unit, int64_t limit, const char* flag) {
  return absl::ResourceExhaustedError(absl::StrCat("overloaded: ", queued, " of at most ", limit, " ", unit,
                                                   " are queued (", flag, ") and the call adds ", wanted,
                                                   "; try again later"));
}

}  // namespace

Admission::Admission(const SchedulerOptions& options)
    : max_items_(options.max_queued_items),
      max_tokens_(options.max_queued_tokens),
      num_workers_(std::max(1, options.num_workers)),
      recent_tokens_(kInitialTokensPerSecond / 1000),
      recent_seconds_(1.0 / 1000) {}

AdmissionResult Admission::Check(const Call& call, const Load& load, SteadyTime now) const {
  if (draining_) return {absl::UnavailableError("the server is shutting down"), kDrainRetryAfter};
  if (call.items > max_items_) return TooLarge(call.items, "items", max_items_, "--max-queued-items");
  if (call.tokens > max_tokens_) return TooLarge(call.tokens, "tokens", max_tokens_, "--max-queued-tokens");
  if (call.deadline <= now) {
    return {absl::DeadlineExceededError("the deadline was over before the call was queued"),
            std::chrono::milliseconds(0)};
  }
  if (load.tokens + call.tokens > max_tokens_) {
    return {QueueFull(load.tokens, call.tokens, "tokens", max_tokens_, "--max-queued-tokens"), RetryAfter(call, load)};
  }
  if (load.items + call.items > max_items_) {
    return {QueueFull(load.items, call.items, "items", max_items_, "--max-queued-items"), RetryAfter(call, load)};
  }
  return {absl::OkStatus(), std::chrono::milliseconds(0)};
}

void Admission::RecordBatch(int64_t tokens, Microseconds compute) {
  const double seconds = std::chrono::duration<double>(compute).count();
  if (tokens <= 0 || seconds <= 0) return;
  // Sums, not rates, decay: a large batch says more about the speed than a small one.
  recent_tokens_ = kDecay * recent_tokens_ + static_cast<double>(tokens);
  recent_seconds_ = kDecay * recent_seconds_ + seconds;
}

double Admission::tokens_per_second() const { return num_workers_ * recent_tokens_ / recent_seconds_; }

std::chrono::milliseconds Admission::RetryAfter(const Call& call, const Load& load) const {
  const int64_t excess_tokens = load.tokens + call.tokens - max_tokens_;
  const int64_t excess_items = load.items + call.items - max_items_;
  const int64_t tokens_per_item = load.items > 0 ? load.tokens / load.items : 0;
  const int64_t to_drain =
      std::max({excess_tokens, excess_items * tokens_per_item, load.tokens / kMinDrainedShare, int64_t{0}});
  const double ms = 1000.0 * static_cast<double>(to_drain) / tokens_per_second();
  if (ms >= static_cast<double>(kMaxRetryAfter.count())) return kMaxRetryAfter;
  return std::max(kMinRetryAfter, std::chrono::milliseconds(static_cast<int64_t>(ms)));
}

}  // namespace attendant
