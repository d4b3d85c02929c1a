#include "server/rpc/call_chain.h"

#include <grpc/support/time.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/observability/logging.h"
#include "server/rpc/grpc_support.h"
#include "server/rpc/status_mapping.h"
#include "server/security/api_keys.h"

namespace attendant {
namespace {

// Far beyond any call, and far from the end of the steady clock's numbers.
constexpr int64_t kMaxTimeoutSeconds = 10LL * 365 * 24 * 3600;

absl::Status NoValidKey(absl::string_view what) {
  return absl::UnauthenticatedError(
      absl::StrCat(what, "; send one as metadata \"authorization: Bearer KEY\" or \"x-api-key: KEY\""));
}

// The key in the metadata. More than one would leave open whose call it is.
absl::StatusOr<std::string> PresentedKey(const grpc::CallbackServerContext& context) {
  constexpr absl::string_view kBearer = "Bearer ";
  std::optional<std::string> key;
  for (const char* name : {"authorization", "x-api-key"}) {
    const auto [begin, end] = context.client_metadata().equal_range(name);
    for (auto it = begin; it != end; ++it) {
      absl::string_view value(it->second.data(), it->second.size());
      if (name[0] == 'a') {
        if (!absl::StartsWithIgnoreCase(value, kBearer)) return NoValidKey("the authorization is not a Bearer key");
        value.remove_prefix(kBearer.size());
      }
      if (key.has_value()) return NoValidKey("there is more than one API key with the call");
      key = std::string(value);
    }
  }
  if (!key.has_value()) return NoValidKey("this server wants an API key");
  return *std::move(key);
}

// "ipv4:192.0.2.1:5000" without the port, so that a caller's connections are one to the scheduler.
std::string WithoutPort(std::string peer) {
  const bool has_port = peer.rfind("ipv4:", 0) == 0 || peer.rfind("ipv6:", 0) == 0;
  if (has_port) peer.resize(peer.rfind(':'));
  return peer;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Caller>> Authenticate(const ServiceCore& core,
                                                           const grpc::CallbackServerContext& context) {
  if (core.keys == nullptr) return Caller::Anonymous();
  const auto key = PresentedKey(context);
  if (!key.ok()) return key.status();
  std::shared_ptr<const Caller> caller = core.keys->Find(*key);
  if (caller == nullptr) return NoValidKey("the API key is not valid");
  if (caller->Has(core.right)) return caller;
  return absl::PermissionDeniedError(
      absl::StrCat("API key \"", caller->name(), "\" does not open this (allow= in the key file)"));
}

CallChain::CallChain(const ServiceCore& core, RpcMethod method, grpc::CallbackServerContext* context,
                     std::shared_ptr<CancelToken> cancel)
    : core_(core), method_(method), server_context_(context), peer_(core.access_log ? context->peer() : "") {
  call_.arrival = std::chrono::steady_clock::now();
  call_.cancel = std::move(cancel);
  call_.reservation = std::make_shared<Reservation>(core.budget);
  if (core_.metrics != nullptr) core_.metrics->RequestStarted(method_);
  auto caller = Authenticate(core, *context);
  admitted_ = caller.status();
  call_.caller = caller.ok() ? *std::move(caller) : Caller::Anonymous();
  call_.caller->CountRequest();
  call_.flow = call_.caller->has_key() ? absl::StrCat("key:", call_.caller->name()) : WithoutPort(context->peer());
  call_.default_class = IsRequestStream(method) ? ServiceClass::kBulk : ServiceClass::kInteractive;
  SetDeadline();
}

CallChain::~CallChain() {
  if (!recorded_) Record(absl::InternalError("the request was left without an end"), {});
}

void CallChain::SetDeadline() {
  const gpr_timespec deadline = server_context_->raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    if (core_.limits.default_timeout.count() > 0) call_.deadline = call_.arrival + core_.limits.default_timeout;
    return;
  }
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  const int64_t seconds = std::clamp<int64_t>(left.tv_sec, -1, kMaxTimeoutSeconds);
  call_.deadline = call_.arrival + std::chrono::seconds(seconds) + std::chrono::nanoseconds(left.tv_nsec);
}

absl::Status CallChain::Parse(grpc::ByteBuffer* bytes, google::protobuf::Message* message) {
  if (!admitted_.ok()) return admitted_;
  return ParseMessage(core_, bytes, call_.reservation.get(), message);
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

grpc::Status CallChain::End(const absl::Status& status, const CallReport& report) {
  Record(status, report);
  return EndCall(status, server_context_);
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

grpc::Status EndCall(const absl::Status& status, grpc::CallbackServerContext* context) {
  if (const auto delay = RetryAfterOf(status); delay.count() > 0) {
    context->AddTrailingMetadata(kRetryPushbackKey, std::to_string(delay.count()));
  } else if (absl::IsResourceExhausted(status)) {
    context->AddTrailingMetadata(kRetryPushbackKey, "-1");  // gRPC's word for "do not try again"
  }
  return ToGrpcStatus(status);
}

}  // namespace attendant
