// attendant.v1.EmbeddingService on gRPC's callback API: bytes in, a flow (embed_flow.h, ...), bytes out.
//
// The methods take raw bytes, because gRPC would answer bytes that do not parse with a bare UNIMPLEMENTED, and would
// parse them on its own threads before anyone has counted what that costs.
// Thread-safety: gRPC calls it from any of its threads. The core must outlive it; it must outlive the grpc::Server.
#ifndef ATTENDANT_SERVER_RPC_EMBEDDING_SERVICE_H_
#define ATTENDANT_SERVER_RPC_EMBEDDING_SERVICE_H_

#include <memory>

#include "server/rpc/service_core.h"

namespace grpc {
class Service;
}

namespace attendant {

class EmbeddingService {
 public:
  explicit EmbeddingService(const ServiceCore& core);
  ~EmbeddingService();

  // For grpc::ServerBuilder::RegisterService.
  grpc::Service* grpc_service();

  // Open EmbedStreams read no further: they answer what they have read, then end with UNAVAILABLE, as do new ones.
  // Single calls go on; the scheduler decides about them.
  void DrainStreams();

  static const char* full_name() { return "attendant.v1.EmbeddingService"; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_EMBEDDING_SERVICE_H_
