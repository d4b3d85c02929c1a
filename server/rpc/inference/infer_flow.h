// One ModelInfer from message to message, on the native RunEmbed: all outputs come from one pass.
//
// Rows of different lengths are computed as they are and padded with zeros only in the answer.
// Thread-safety: as RunEmbed. `done` is called exactly once.
#ifndef ATTENDANT_SERVER_RPC_INFERENCE_INFER_FLOW_H_
#define ATTENDANT_SERVER_RPC_INFERENCE_INFER_FLOW_H_

#include <memory>

#include "inference/grpc_service.pb.h"
#include "server/rpc/service_core.h"

namespace attendant {

void RunInfer(const ServiceCore& core, CallContext call,
              const std::shared_ptr<const inference::ModelInferRequest>& request,
              Done<inference::ModelInferResponse> done);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_INFERENCE_INFER_FLOW_H_
