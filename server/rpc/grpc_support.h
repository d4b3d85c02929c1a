// What the reactors share: bytes to messages and back, the call's deadline, metrics and access log of a call's end.
//
// Includes gRPC: for the few .cc files that hold reactors only. Thread-safety: see each part.
#ifndef ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_
#define ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_

#include <google/protobuf/message.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/observability/metrics.h"
#include "server/rpc/service_core.h"

namespace attendant {

// Up to this size a request is parsed and tokenised where it arrives, on one of gRPC's threads. Handing it to another
// costs a wake-up (some 10 us, more on a busy machine); 8 KiB of text took half a millisecond in all (a Tokenize call
// on an AMD EPYC), for which gRPC's other threads can stand in.
inline constexpr size_t kInlineRequestBytes = 8 * 1024;

// Runs the task here when the request is small, on the pool when it is large.
void RunWhereItFits(const ServiceCore& core, size_t request_bytes, std::function<void()> task);

// Arrives now. The default timeout applies to a call without a deadline.
CallContext NewCallContext(const ServiceCore& core, const grpc::CallbackServerContext& context,
                           std::shared_ptr<CancelToken> cancel);

// Decompresses the bytes (in place), checks the size, reserves the memory, parses. Errors name the field or the limit.
absl::Status ParseMessage(const ServiceCore& core, grpc::ByteBuffer* bytes, Reservation* reservation,
                          google::protobuf::Message* message);

grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message);

// Ends a call in gRPC's words: the status to finish with, the retry pushback as a trailer.
grpc::Status EndCall(const absl::Status& status, grpc::CallbackServerContext* context);

// Metrics and access log of one request, from its arrival to its end. Finish exactly once, from any thread.
class RequestRecorder {
 public:
  RequestRecorder(const ServiceCore& core, RpcMethod method, const grpc::CallbackServerContext* context);
  void Finish(const absl::Status& status, const CallReport& report);

 private:
  const ServiceCore& core_;
  const RpcMethod method_;
  const SteadyTime arrival_;
  const std::string peer_;  // only with the access log
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_
