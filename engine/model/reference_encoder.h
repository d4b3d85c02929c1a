// The reference twin: the same encoder, short and obvious, written with Eigen in fp32 and never optimised.
// Every kernel and precision is tested against it; `--engine=reference` serves with it.
// Thread-safety: immutable after Load.
#ifndef ATTENDANT_ENGINE_MODEL_REFERENCE_ENCODER_H_
#define ATTENDANT_ENGINE_MODEL_REFERENCE_ENCODER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/model_config.h"
#include "engine/model/safetensors.h"
#include "engine/sequence.h"

namespace attendant {

struct ReferenceOutput {
  std::vector<float> hidden_states;  // [num_tokens, hidden_size]
  std::vector<float> attention;      // [layers, heads, num_tokens, num_tokens], when asked for
};

class ReferenceEncoder {
 public:
  static absl::StatusOr<std::unique_ptr<ReferenceEncoder>> Load(const SafetensorsFile& file, const ModelConfig& config);
  ~ReferenceEncoder();

  enum class Maps { kNone, kAll };
  ReferenceOutput Forward(const TokenSequence& sequence, Maps maps) const;

 private:
  struct Impl;
  explicit ReferenceEncoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_REFERENCE_ENCODER_H_
