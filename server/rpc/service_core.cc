#include "server/rpc/service_core.h"

#include <string>

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

absl::Status NoSuchModel(const ServiceCore& core, std::string_view name) {
  // As long as loading a small model takes; who waits for a large one asks a few times.
  constexpr std::chrono::milliseconds kRetryAfter{1000};
  // Enough to see what this server is about, in a message that is clipped anyway.
  constexpr size_t kNamesShown = 8;
  std::string names;
  size_t ready = 0;
  for (const ModelStatus& status : core.models->List()) {
    if (status.name == name && status.state == ModelState::kLoading) {
      return WithRetryAfter(absl::UnavailableError(absl::StrCat("model ", Quoted(name), " is being loaded")),
                            kRetryAfter);
    }
    if (status.name == name && status.state == ModelState::kFailed) {
      return absl::FailedPreconditionError(
          absl::StrCat("model ", Quoted(name), " could not be loaded (ListModels tells why)"));
    }
    if (status.state != ModelState::kReady || ++ready > kNamesShown) continue;
    absl::StrAppend(&names, names.empty() ? "" : ", ", Quoted(status.name));
  }
  if (ready > kNamesShown) absl::StrAppend(&names, " and ", ready - kNamesShown, " more");
  if (ready == 0) names = "none";
  const std::string what = name.empty() ? "no default model" : absl::StrCat("no model ", Quoted(name));
  return absl::NotFoundError(absl::StrCat("there is ", what, "; this server has ", names, " (ListModels)"));
}

absl::StatusOr<ModelRef> FindModel(const ServiceCore& core, std::string_view name) {
  ModelRef model = core.models->Find(name);
  if (model == nullptr) return NoSuchModel(core, name);
  return model;
}

absl::StatusOr<ModelRef> FindModel(const ServiceCore& core, const CallContext& call, std::string_view name) {
  return call.models == nullptr ? FindModel(core, name) : call.models->Find(core, name);
}

absl::StatusOr<ModelRef> StreamModels::Find(const ServiceCore& core, std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto known = models_.find(name);
  if (known != models_.end()) return known->second;
  auto found = FindModel(core, name);
  if (found.ok()) models_.emplace(name, *found);
  return found;
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

absl::Status SubmitWork(const ServiceCore& core, const CallContext& call, const ModelRef& model, WorkCall work,
                        int64_t charged_tokens) {
  work.runtime = RuntimeOf(model);
  work.flow = call.flow;
  work.deadline = call.deadline;
  work.cancel = call.cancel;
  // The call may end, and its context go, before Submit returns.
  const std::shared_ptr<const Caller> caller = call.caller;
  AdmissionResult admission = core.sharing != nullptr ? core.sharing->Submit(core.scheduler, std::move(work))
                                                      : core.scheduler->Submit(std::move(work));
  if (admission.status.ok()) return absl::OkStatus();
  caller->Refund(charged_tokens);
  if (admission.retry_after.count() == 0) return std::move(admission.status);
  return WithRetryAfter(std::move(admission.status), admission.retry_after);
}

}  // namespace attendant
