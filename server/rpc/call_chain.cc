#include "server/rpc/call_chain.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/observability/logging.h"
#include "server/security/api_keys.h"

namespace attendant {
namespace {

// "ipv4:192.0.2.1:5000" without the port, so that a caller's connections are one to the scheduler.
std::string WithoutPort(std::string peer) {
  const bool has_port = peer.rfind("ipv4:", 0) == 0 || peer.rfind("ipv6:", 0) == 0;
  if (has_port) peer.resize(peer.rfind(':'));
  return peer;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Caller>> Authenticate(const ServiceCore& core, const Credentials& credentials) {
  if (core.keys == nullptr) return Caller::Anonymous();
  const auto key = PresentedKey(credentials);
  if (!key.ok()) return key.status();
  std::shared_ptr<const Caller> caller = core.keys->Find(*key);
  if (caller == nullptr) return NoValidKey();
  if (caller->Has(core.right)) return caller;
  return absl::PermissionDeniedError(
      absl::StrCat("API key \"", caller->name(), "\" does not open this (allow= in the key file)"));
}

CallChain::CallChain(const ServiceCore& core, RpcMethod method, CallFacts facts)
    : core_(core), method_(method), peer_(std::move(facts.peer)) {
  call_.arrival = std::chrono::steady_clock::now();
  call_.cancel = std::move(facts.cancel);
  call_.reservation = std::make_shared<Reservation>(core.budget);
  if (core_.metrics != nullptr) core_.metrics->RequestStarted(method_);
  auto caller = Authenticate(core, facts.credentials);
  admitted_ = caller.status();
  call_.caller = caller.ok() ? *std::move(caller) : Caller::Anonymous();
  call_.caller->CountRequest();
  call_.flow = call_.caller->has_key() ? absl::StrCat("key:", call_.caller->name()) : WithoutPort(peer_);
  call_.default_class = IsRequestStream(method) ? ServiceClass::kBulk : ServiceClass::kInteractive;
  if (facts.deadline.has_value()) {
    call_.deadline = *facts.deadline;
  } else if (core_.limits.default_timeout.count() > 0) {
    call_.deadline = call_.arrival + core_.limits.default_timeout;
  }
}

CallChain::~CallChain() {
  if (!recorded_) Record(absl::InternalError("the request was left without an end"), {});
}

void CallChain::Record(const absl::Status& status, const CallReport& report) {
  recorded_ = true;
  const Microseconds total = Since(call_.arrival);
  if (core_.metrics != nullptr) {
    core_.metrics->RequestFinished({.method = method_,
                                    .code = status.code(),
                                    .total = total,
                                    .tokenize = report.tokenize,
                                    .queue = report.queue,
                                    .compute = report.compute});
    for (const auto& [code, count] : report.items) core_.metrics->ItemsFinished(method_, code, count);
  }
  if (core_.access_log) LogAccess(status, report, total);
}

void CallChain::LogAccess(const absl::Status& status, const CallReport& report, Microseconds total) const {
  int64_t items = 0;
  for (const auto& [code, count] : report.items) items += count;
  const auto us = [](const std::optional<Microseconds>& time) { return time.value_or(Microseconds(0)).count(); };
  LogInfo("call", {{"method", RpcMethodName(method_)},
                   {"peer", peer_},
                   {"key", call_.caller->name()},
                   {"code", StatusCodeName(status.code())},
                   {"items", items},
                   {"total_us", total.count()},
                   {"tokenize_us", us(report.tokenize)},
                   {"queue_us", us(report.queue)},
                   {"compute_us", us(report.compute)}});
}

}  // namespace attendant
