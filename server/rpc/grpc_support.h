// What the reactors share: a call's facts for its CallChain, bytes to messages and back, the words of its end, and
// where all that is done.
//
// Includes gRPC: for the few .cc files that hold reactors only. Thread-safety: see each part.
#ifndef ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_
#define ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_

#include <google/protobuf/message.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "server/rpc/call_chain.h"
#include "server/rpc/service_core.h"

namespace attendant {

// Up to this size a request is parsed and tokenised where it arrives, on one of gRPC's threads. Handing it to another
// costs a wake-up (some 10 us, more on a busy machine); 8 KiB of text took half a millisecond in all (a Tokenize call
// on an AMD EPYC), for which gRPC's other threads can stand in.
inline constexpr size_t kInlineRequestBytes = 8 * 1024;

// Runs the task here when the request is small, on the pool when it is large.
void RunWhereItFits(const ServiceCore& core, size_t request_bytes, std::function<void()> task);

Credentials CredentialsOf(const grpc::CallbackServerContext& context);
CallFacts FactsOf(const grpc::CallbackServerContext& context, std::shared_ptr<CancelToken> cancel);

// Decompresses the bytes (in place), checks the size, reserves the memory, parses; not for a request that is not
// admitted. Errors name the field or the limit.
absl::Status ParseMessage(const ServiceCore& core, const CallChain& chain, grpc::ByteBuffer* bytes,
                          google::protobuf::Message* message);

grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message);

// What gRPC is to finish a call with; the retry pushback becomes a trailer.
grpc::Status EndCall(const absl::Status& status, grpc::CallbackServerContext* context);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_
