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
  // With TRUNCATION_WINDOW: how, and whether a text's windows become one vector.
  std::optional<WindowLimits> windows;
  bool each_window = false;
  bool untrained_dimensions = false;  // the model was not trained for these, and the caller may have them all the same
};

// Will ToEmbedSettings take a while, because the model's ranges are to be measured first?
bool NeedsMeasuring(const v1::EmbedOptions& options, const ServedModel& model);

absl::StatusOr<EmbedSettings> ToEmbedSettings(const v1::EmbedOptions& options, const ServedModel& model,
                                              const RequestLimits& limits);

// Is it among the outputs?
bool Wants(const EmbedSettings& settings, OutputKind output);

// What the number of an item's vectors depends on.
struct ItemShape {
  int32_t num_tokens = 0;
  int32_t num_spans = 0;
  int32_t num_windows = 0;  // 0: it is not cut into any
};

// Floats of all outputs but attention that the engine makes for an item.
int64_t OutputFloats(const EmbedSettings& settings, const ServedModel& model, const ItemShape& shape);

// rows: of the output, none when it is one vector.
void SetEmbedding(const std::vector<float>& values, std::optional<int32_t> rows, const VectorFormat& format,
                  v1::Embedding* embedding);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_EMBED_SETTINGS_H_
