// What the reactors share: bytes to messages and back, and where that is done. Doors parse through their CallChain.
//
// Includes gRPC: for the few .cc files that hold reactors only. Thread-safety: see each part.
#ifndef ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_
#define ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>

#include "absl/status/status.h"
#include "server/rpc/service_core.h"

namespace attendant {

// Up to this size a request is parsed and tokenised where it arrives, on one of gRPC's threads. Handing it to another
// costs a wake-up (some 10 us, more on a busy machine); 8 KiB of text took half a millisecond in all (a Tokenize call
// on an AMD EPYC), for which gRPC's other threads can stand in.
inline constexpr size_t kInlineRequestBytes = 8 * 1024;

// Runs the task here when the request is small, on the pool when it is large.
void RunWhereItFits(const ServiceCore& core, size_t request_bytes, std::function<void()> task);

// Decompresses the bytes (in place), checks the size, reserves the memory, parses. Errors name the field or the limit.
absl::Status ParseMessage(const ServiceCore& core, grpc::ByteBuffer* bytes, Reservation* reservation,
                          google::protobuf::Message* message);

grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_GRPC_SUPPORT_H_
