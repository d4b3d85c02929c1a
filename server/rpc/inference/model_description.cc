#include "server/rpc/inference/model_description.h"

#include <string>
#include <vector>

#include "server/rpc/inference/infer_request.h"

namespace attendant {
namespace {

constexpr char kPlatform[] = "attendant";
constexpr int64_t kAny = -1;

struct Tensor {
  const char* name;
  const char* datatype;
  inference::DataType type;
  std::vector<int64_t> row;  // the shape without the batch's dimension
};

std::vector<Tensor> Inputs() {
  return {{kTextInput, "BYTES", inference::TYPE_STRING, {1}},
          {kIdsInput, "INT64", inference::TYPE_INT64, {kAny}},
          {kMaskInput, "INT64", inference::TYPE_INT64, {kAny}},
          {kTypesInput, "INT64", inference::TYPE_INT64, {kAny}}};
}

std::vector<Tensor> Outputs(const ModelInfo& model) {
  const auto name = [](InferOutput output) { return InferOutputName(output); };
  return {
      {name(InferOutput::kSentenceEmbedding), "FP32", inference::TYPE_FP32, {model.dimension}},
      {name(InferOutput::kLastHiddenState), "FP32", inference::TYPE_FP32, {kAny, model.hidden_size}},
      {name(InferOutput::kAttentions), "FP32", inference::TYPE_FP32, {model.num_layers, model.num_heads, kAny, kAny}},
      {name(InferOutput::kAttentionMask), "INT64", inference::TYPE_INT64, {kAny}}};
}

void SetTensor(const Tensor& tensor, inference::ModelMetadataResponse::TensorMetadata* out) {
  out->set_name(tensor.name);
  out->set_datatype(tensor.datatype);
  out->add_shape(kAny);
  for (const int64_t size : tensor.row) out->add_shape(size);
}

// In the words of Triton.
const char* StateName(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kReady:
      return "READY";
    case ModelState::kDraining:
      return "UNLOADING";
    case ModelState::kFailed:
      return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

}  // namespace

void SetMetadata(const ModelInfo& model, inference::ModelMetadataResponse* out) {
  out->set_name(model.name);
  out->add_versions(std::string(kOnlyVersion));
  out->set_platform(kPlatform);
  for (const Tensor& tensor : Inputs()) SetTensor(tensor, out->add_inputs());
  for (const Tensor& tensor : Outputs(model)) SetTensor(tensor, out->add_outputs());
}

void SetConfig(const ModelInfo& model, int32_t max_items, inference::ModelConfig* out) {
  out->set_name(model.name);
  out->set_platform(kPlatform);
  out->set_backend(kPlatform);
  out->set_max_batch_size(max_items);
  for (const Tensor& tensor : Inputs()) {
    auto* input = out->add_input();
    input->set_name(tensor.name);
    input->set_data_type(tensor.type);
    input->set_optional(true);  // either text or ids
    for (const int64_t size : tensor.row) input->add_dims(size);
  }
  for (const Tensor& tensor : Outputs(model)) {
    auto* output = out->add_output();
    output->set_name(tensor.name);
    output->set_data_type(tensor.type);
    for (const int64_t size : tensor.row) output->add_dims(size);
  }
}

void SetStatistics(const LoadedModel& model, inference::ModelStatistics* out) {
  const ModelUse use = model.runtime->use();
  out->set_name(model.info().name);
  out->set_version(kOnlyVersion);
  out->set_inference_count(static_cast<uint64_t>(use.items));
  out->set_execution_count(static_cast<uint64_t>(use.batches));
  auto* compute = out->mutable_inference_stats()->mutable_compute_infer();
  compute->set_count(static_cast<uint64_t>(use.batches));
  compute->set_ns(1000 * static_cast<uint64_t>(use.compute.count()));
}

void SetIndex(const ModelStatus& model, inference::RepositoryIndexResponse::ModelIndex* out) {
  out->set_name(model.name);
  out->set_version(kOnlyVersion);
  out->set_state(StateName(model.state));
  out->set_reason(model.reason);
}

}  // namespace attendant
