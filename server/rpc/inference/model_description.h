// What the Open Inference Protocol tells of models: tensors, configuration, statistics, the index.
//
// Thread-safety: free functions without state.
#ifndef ATTENDANT_SERVER_RPC_INFERENCE_MODEL_DESCRIPTION_H_
#define ATTENDANT_SERVER_RPC_INFERENCE_MODEL_DESCRIPTION_H_

#include <cstdint>

#include "inference/grpc_service.pb.h"
#include "server/models/model_registry.h"

namespace attendant {

void SetMetadata(const ModelInfo& model, inference::ModelMetadataResponse* out);
void SetConfig(const ModelInfo& model, int32_t max_items, inference::ModelConfig* out);
void SetStatistics(const LoadedModel& model, inference::ModelStatistics* out);
void SetIndex(const ModelStatus& model, inference::RepositoryIndexResponse::ModelIndex* out);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_INFERENCE_MODEL_DESCRIPTION_H_
