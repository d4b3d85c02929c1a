// EmbedStream's part of a stream (stream_call.h): a request that is malformed or refused is answered in its own
// response.
//
// Includes gRPC. Thread-safety: as StartStream.
#ifndef ATTENDANT_SERVER_RPC_EMBED_STREAM_H_
#define ATTENDANT_SERVER_RPC_EMBED_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/rpc/open_calls.h"
#include "server/rpc/service_core.h"

namespace attendant {

// Starts the stream of a call and returns its reactor.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartEmbedStream(const ServiceCore& core,
                                                                              grpc::CallbackServerContext* context,
                                                                              OpenCalls* open_calls);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_EMBED_STREAM_H_
