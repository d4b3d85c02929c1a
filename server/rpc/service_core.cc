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

absl::Status OutOfMemoryBudget(const ByteBudget& budget) {
  // About what a few batches take; whoever held the memory is then most likely answered.
  constexpr std::chrono::milliseconds kRetryAfter{100};
  return WithRetryAfter(absl::ResourceExhaustedError(absl::StrCat(
                            "overloaded: calls under way already hold ", budget.used(), " of ", budget.limit(),
                            " bytes (--max-pending-bytes); try again later, or with a smaller request")),
                        kRetryAfter);
}

}  // namespace attendant
