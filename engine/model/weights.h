// The model's parameters as the encoder reads them: shape-checked and packed once, at load, for the GEMM kernels.
//
// Thread-safety: immutable after loading. Views point into the storage beside them or into the safetensors file, which
// must outlive it (the word embedding table stays memory-mapped as it is).
#ifndef ATTENDANT_ENGINE_MODEL_WEIGHTS_H_
#define ATTENDANT_ENGINE_MODEL_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/buffer.h"
#include "engine/model/linear.h"
#include "engine/model/model_config.h"
#include "engine/model/safetensors.h"

namespace attendant {

struct LayerNormWeights {
  const float* gamma = nullptr;  // [hidden_size]
  const float* beta = nullptr;   // [hidden_size]
};

struct LayerWeights {
  Precision precision = Precision::kFp32;  // of its linear layers; below fp32 the attention is int16
  // query, key and value side by side: out = 3 * hidden_size. The query part carries the factor 1 / sqrt(head_dim).
  Linear query_key_value;
  Linear attention_output;
  LayerNormWeights attention_norm;
  Linear intermediate;
  Linear output;
  LayerNormWeights output_norm;
  Buffer storage;
};

struct EmbeddingWeights {
  TensorView word;                    // [vocab_size, hidden_size], memory-mapped
  const float* position = nullptr;    // [max_position_embeddings, hidden_size]
  const float* token_type = nullptr;  // [type_vocab_size, hidden_size]
  LayerNormWeights norm;
};

struct DenseWeights {
  Linear linear;
  kernels::Activation activation = kernels::Activation::kNone;
};

struct Weights {
  EmbeddingWeights embeddings;
  std::vector<LayerWeights> layers;
  std::vector<DenseWeights> dense;
  Buffer storage;  // of all but the layers

  int64_t packed_bytes() const;
};

// The model's embeddings and Dense modules, in fp32, without layers. file: the model's; must outlive the result.
// num_threads pack in parallel. INVALID_ARGUMENT names file, tensor, expected and found.
absl::StatusOr<std::unique_ptr<Weights>> LoadWeights(const SafetensorsFile& file, const ModelConfig& config,
                                                     const std::vector<DenseConfig>& dense, int num_threads);

// The largest magnitude of each feature that a layer's linear layers were seen to read; [hidden_size] each.
struct ActivationPeaks {
  std::vector<float> query_key_value;
  std::vector<float> attention_output;
  std::vector<float> intermediate;
};

// Layers [first, first + precisions.size()) of the model.
struct LayerRange {
  int32_t first;
  std::vector<Precision> precisions;
  const ActivationPeaks* peaks = nullptr;  // or null; of the one layer: int8 is smoothed by it
};
absl::StatusOr<std::vector<LayerWeights>> LoadLayers(const SafetensorsFile& file, const ModelConfig& config,
                                                     const LayerRange& range, int num_threads);

// PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(same), d = width. Vaswani et al., 2017, section 3.5.
// out: [positions, width].
void FillSinusoidalPositions(int64_t positions, int64_t width, float* out);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_WEIGHTS_H_
