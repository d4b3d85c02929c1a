// What every request passes on its way in and out, whichever door it came through: counting, authentication, deadline,
// limits; and at its end metrics, access log and the words of refusal.
//
// A flow needs a CallContext, and only this makes one. So a door cannot leave out a link of the chain: without it there
// is nothing to call the flow with. What is not ended by its owner is ended here, as INTERNAL.
//
// Includes gRPC: for the few .cc files that hold reactors only. Thread-safety: a chain belongs to one request, whose
// stages run one after another.
#ifndef ATTENDANT_SERVER_RPC_CALL_CHAIN_H_
#define ATTENDANT_SERVER_RPC_CALL_CHAIN_H_

#include <google/protobuf/message.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/observability/metrics.h"
#include "server/rpc/service_core.h"
#include "server/security/caller.h"

namespace attendant {

// Whose key came with the call: "authorization: Bearer KEY" or "x-api-key: KEY". UNAUTHENTICATED without a valid one,
// PERMISSION_DENIED when it does not open this door. A server without keys takes everybody.
absl::StatusOr<std::shared_ptr<const Caller>> Authenticate(const ServiceCore& core,
                                                           const grpc::CallbackServerContext& context);

class CallChain {
 public:
  // Enters. The context must outlive the chain.
  CallChain(const ServiceCore& core, RpcMethod method, grpc::CallbackServerContext* context,
            std::shared_ptr<CancelToken> cancel);
  ~CallChain();
  CallChain(const CallChain&) = delete;
  CallChain& operator=(const CallChain&) = delete;

  // Anything but OK ends the request: it must go no further.
  const absl::Status& admitted() const { return admitted_; }
  const CallContext& context() const { return call_; }

  // Decompresses the bytes (in place), checks the size, reserves the memory, parses; not for a request that is not
  // admitted. Errors name the field or the limit.
  absl::Status Parse(grpc::ByteBuffer* bytes, google::protobuf::Message* message);

  // Exactly one of the two, once. Record: a request of a stream that goes on. End: also what gRPC is to finish the call
  // with, and the retry pushback as a trailer.
  void Record(const absl::Status& status, const CallReport& report);
  grpc::Status End(const absl::Status& status, const CallReport& report);

 private:
  void SetDeadline();
  void LogAccess(const absl::Status& status, const CallReport& report, Microseconds total) const;

  const ServiceCore& core_;
  const RpcMethod method_;
  grpc::CallbackServerContext* const server_context_;
  const std::string peer_;  // only with the access log
  CallContext call_;
  absl::Status admitted_;
  bool recorded_ = false;
};

// The words for a call that ends outside of any request's chain: a stream that is told to go elsewhere.
grpc::Status EndCall(const absl::Status& status, grpc::CallbackServerContext* context);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_CALL_CHAIN_H_
