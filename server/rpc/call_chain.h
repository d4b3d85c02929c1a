// What every request passes on its way in and out, whichever door it came through: counting, authentication, deadline,
// limits; and at its end metrics and access log.
//
// A flow needs a CallContext, and only this makes one. So a door cannot leave out a link of the chain: without it there
// is nothing to call the flow with. What is not ended by its owner is ended here, as INTERNAL.
//
// It is not: tied to a transport. A door tells what it knows as CallFacts (grpc_support.h for gRPC,
// http/api/http_call.h for HTTP), and puts the words of refusal into its own form. Thread-safety: a chain belongs to
// one request, whose stages run one after another.
#ifndef ATTENDANT_SERVER_RPC_CALL_CHAIN_H_
#define ATTENDANT_SERVER_RPC_CALL_CHAIN_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/observability/metrics.h"
#include "server/rpc/service_core.h"
#include "server/security/caller.h"
#include "server/security/credentials.h"

namespace attendant {

// What a transport knows of a call.
struct CallFacts {
  std::string peer;  // "ipv4:192.0.2.1:5000", "ipv6:[::1]:5000", "unix:..."
  Credentials credentials;
  std::optional<SteadyTime> deadline;   // the caller's own
  std::shared_ptr<CancelToken> cancel;  // never null; the transport cancels it when the caller has gone
};

// Whose key came with the call. UNAUTHENTICATED without a valid one, PERMISSION_DENIED when it does not open this door.
// A server without keys takes everybody.
absl::StatusOr<std::shared_ptr<const Caller>> Authenticate(const ServiceCore& core, const Credentials& credentials);

class CallChain {
 public:
  // Enters.
  CallChain(const ServiceCore& core, RpcMethod method, CallFacts facts);
  ~CallChain();
  CallChain(const CallChain&) = delete;
  CallChain& operator=(const CallChain&) = delete;

  // Anything but OK ends the request: it must go no further.
  const absl::Status& admitted() const { return admitted_; }
  const CallContext& context() const { return call_; }

  // At the request's end, exactly once.
  void Record(const absl::Status& status, const CallReport& report);

 private:
  void LogAccess(const absl::Status& status, const CallReport& report, Microseconds total) const;

  const ServiceCore& core_;
  const RpcMethod method_;
  std::string peer_;
  CallContext call_;
  absl::Status admitted_;
  bool recorded_ = false;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_CALL_CHAIN_H_
