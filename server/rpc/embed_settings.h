// The options of an Embed request, checked against the model, as what the engine and the answer need.
//
// It is not: the rules about texts and ids; those are the model's (ServedModel::Tokenize). Errors name the option's
// path. Thread-safety: free functions without state; EmbedSettings is plain data.
#ifndef ATTENDANT_SERVER_RPC_EMBED_SETTINGS_H_
#define ATTENDANT_SERVER_RPC_EMBED_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "attendant/v1/embedding.pb.h"
#include "engine/embedder.h"
#include "server/models/served_model.h"
#include "server/rpc/limits.h"

namespace attendant {

// How vectors are written into the answer.
struct VectorFormat {
  std::optional<VectorEncoding> encoding;  // none: as repeated floats
  QuantizationRanges ranges;               // with int8 and uint8
  bool ranges_are_the_models = false;
};

struct EmbedSettings {
  TokenizeOptions tokenize;
  EmbedSpec spec;
  std::vector<EmbedSpec> additional;
  std::optional<AttentionSpec> attention;
  VectorFormat format;
  bool untrained_dimensions = false;  // the model was not trained for these, and the caller may have them all the same
};

absl::StatusOr<EmbedSettings> ToEmbedSettings(const v1::EmbedOptions& options, const ServedModel& model,
                                              const RequestLimits& limits);

// Floats of all outputs but attention, of an item of so many tokens.
int64_t OutputFloats(const EmbedSettings& settings, const ServedModel& model, int32_t num_tokens);

// values: [dimension] or [num_tokens, dimension], of at least one token.
void SetEmbedding(const std::vector<float>& values, const EmbedSpec& spec, int32_t num_tokens,
                  const VectorFormat& format, v1::Embedding* embedding);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_EMBED_SETTINGS_H_
