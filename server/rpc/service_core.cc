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

}  // namespace attendant
