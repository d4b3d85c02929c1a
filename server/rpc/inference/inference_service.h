// inference.GRPCInferenceService: the Open Inference Protocol, for the clients of KServe and Triton, as a thin door on
// the native flows. What it does not offer (loading, shared memory, tracing) answers UNIMPLEMENTED and says what does.
//
// Thread-safety: gRPC calls it from any of its threads. The core must outlive it; it must outlive the grpc::Server.
#ifndef ATTENDANT_SERVER_RPC_INFERENCE_INFERENCE_SERVICE_H_
#define ATTENDANT_SERVER_RPC_INFERENCE_INFERENCE_SERVICE_H_

#include <functional>
#include <memory>
#include <string>

#include "server/rpc/service_core.h"

namespace grpc {
class Service;
}

namespace attendant {

struct InferenceFacts {
  std::string version;          // of the server
  std::function<bool()> ready;  // as health says
};

class InferenceService {
 public:
  InferenceService(const ServiceCore& core, InferenceFacts facts);
  ~InferenceService();

  grpc::Service* grpc_service();
  // As EmbeddingService::DrainStreams.
  void DrainStreams();

  static const char* full_name() { return "inference.GRPCInferenceService"; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_INFERENCE_INFERENCE_SERVICE_H_
