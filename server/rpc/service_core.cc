#include "server/rpc/service_core.h"

#include "absl/strings/str_cat.h"
#include "server/rpc/status_mapping.h"

namespace attendant {

absl::Status CallContext::Check() const {
  if (cancel->cancelled()) return absl::CancelledError("the caller has cancelled the call");
  if (std::chrono::steady_clock::now() >= deadline) {
    return absl::DeadlineExceededError("the call's deadline was over before its work began");
  }
  return absl::OkStatus();
}

absl::Status Reserve(int64_t bytes, Reservation* reservation) {
  // About what a few batches take; whoever held the memory is then most likely answered.
  constexpr std::chrono::milliseconds kRetryAfter{100};
  if (reservation->Grow(bytes)) return absl::OkStatus();
  const ByteBudget& budget = reservation->budget();
  const int64_t total = reservation->bytes() + bytes;
  if (total > budget.limit()) {
    return InvalidField("(message)", absl::StrCat("it would take ", total, " bytes of memory, more than the ",
                                                  budget.limit(), " that all calls may take together ",
                                                  "(--max-pending-bytes); send it in smaller parts"));
  }
  return WithRetryAfter(absl::ResourceExhaustedError(absl::StrCat(
                            "overloaded: calls under way hold ", budget.used(), " of ", budget.limit(),
                            " bytes (--max-pending-bytes) and this one needs ", bytes, "; try again later")),
                        kRetryAfter);
}

absl::Status ChargeQuota(const CallContext& call, int64_t tokens, int64_t max_item_tokens) {
  const Caller& caller = *call.caller;
  const QuotaVerdict verdict = caller.Charge(tokens, max_item_tokens, std::chrono::steady_clock::now());
  if (verdict.kind == QuotaVerdict::Kind::kTaken) return absl::OkStatus();
  const std::string quota =
      absl::StrCat("API key \"", caller.name(), "\" has a quota of ", caller.tokens_per_second(), " tokens per second");
  if (verdict.kind == QuotaVerdict::Kind::kNever) {
    return absl::ResourceExhaustedError(
        absl::StrCat(quota, " and may never send a request of ", tokens, " tokens at once; at most ", verdict.burst));
  }
  return WithRetryAfter(
      absl::ResourceExhaustedError(absl::StrCat(quota, ", of which too little is left for a request of ", tokens,
                                                " tokens; try again in ", verdict.retry_after.count(), " ms")),
      verdict.retry_after);
}

}  // namespace attendant
