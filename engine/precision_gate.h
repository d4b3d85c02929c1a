// Decides, at load, in which precision each layer computes: runs a fixed set of texts through the fp32 layers and
// through the candidate's, one layer after the other, and compares the vectors that come out.
//
// Layer by layer, so that never more than one fp32 layer is in memory beside the candidate. A candidate that drifts too
// far gets its worst layers back in the next wider precision until it does not.
#ifndef ATTENDANT_ENGINE_PRECISION_GATE_H_
#define ATTENDANT_ENGINE_PRECISION_GATE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/drift.h"
#include "engine/model/encoder.h"
#include "engine/model/pooling.h"
#include "engine/model/safetensors.h"
#include "engine/model/weights.h"
#include "engine/sequence.h"

namespace attendant {

// Borrowed for the call.
struct GateInput {
  const SafetensorsFile& file;
  const EncoderContext& context;
  const Weights& weights;  // embeddings are read
  const std::vector<TokenSequence>& texts;
  // The vector of a text from its last hidden states.
  std::function<std::vector<float>(const HiddenRows& rows, const TokenSequence& sequence)> pool;
  int num_threads;
};

struct GateResult {
  std::vector<LayerWeights> layers;
  Drift drift;
  bool passed = false;
  int num_texts = 0;
};

// Loads every layer in `precision`, wider where the drift asks for it. Not passed: even that did not help, or the
// texts are fewer than three. Errors are those of loading.
absl::StatusOr<GateResult> LoadThroughGate(const GateInput& input, Precision precision);

// "int8", or "int8, layers 3 and 7 bf16".
std::string DescribeLayers(Precision precision, const std::vector<LayerWeights>& layers);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_PRECISION_GATE_H_
