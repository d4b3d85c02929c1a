// One EmbedStream: reads ahead only as far as the in-flight limit, answers in the order of completion.
//
// A request counts as in flight from the read until its answer has been written, so a client that does not read its
// answers stops the reading of its requests. Half-close drains; cancellation cancels everything; a request that is
// malformed or refused is answered in its own response.
// Includes gRPC. Thread-safety: internally synchronised. Ownership: a stream owns itself until gRPC's OnDone.
#ifndef ATTENDANT_SERVER_RPC_EMBED_STREAM_H_
#define ATTENDANT_SERVER_RPC_EMBED_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/service_core.h"

namespace attendant {

class EmbedStream;

// The streams that are open, for draining them. Thread-safe; must outlive them.
class EmbedStreamRegistry {
 public:
  // False: the server is draining, the stream must not start.
  bool Add(EmbedStream* stream);
  void Remove(EmbedStream* stream);
  void Drain();

 private:
  absl::Mutex mutex_;
  std::set<EmbedStream*> streams_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

// Starts the stream of a call and returns its reactor.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartEmbedStream(const ServiceCore& core,
                                                                              grpc::CallbackServerContext* context,
                                                                              EmbedStreamRegistry* registry);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_EMBED_STREAM_H_
