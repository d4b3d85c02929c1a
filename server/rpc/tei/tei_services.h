// The five services of tei.v1 (Info, Embed, Predict, Rerank, Tokenize) as a thin door on the default model: the clients
// of Text Embeddings Inference need no change.
//
// Predict, Rerank and sparse vectors need a head that an encoder for embeddings has not: they answer UNIMPLEMENTED.
// Thread-safety: gRPC calls it from any of its threads. The core must outlive it; it must outlive the grpc::Server.
#ifndef ATTENDANT_SERVER_RPC_TEI_TEI_SERVICES_H_
#define ATTENDANT_SERVER_RPC_TEI_TEI_SERVICES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/rpc/endpoint_service.h"
#include "server/rpc/service_core.h"

namespace attendant {

// For Info; what no model knows.
struct TeiFacts {
  std::string version;
  int64_t max_queued_items = 0;
  int32_t max_batch_tokens = 0;
  int tokenization_workers = 0;
};

class TeiServices {
 public:
  TeiServices(const ServiceCore& core, TeiFacts facts);
  ~TeiServices();

  std::vector<EndpointService> services();
  // As EmbeddingService::DrainStreams.
  void DrainStreams();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_TEI_TEI_SERVICES_H_
