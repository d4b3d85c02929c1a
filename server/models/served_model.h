// What the services need of a model: its description, and its tokenizer with all rules about inputs. The forward pass
// is not here; that is the scheduler's, through a BatchRunner. A fake stands in for it in the services' tests.
//
// Thread-safety: const members may be called from any thread at once.
#ifndef ATTENDANT_SERVER_MODELS_SERVED_MODEL_H_
#define ATTENDANT_SERVER_MODELS_SERVED_MODEL_H_

#include <string>
#include <string_view>
#include <variant>

#include "engine/embedder.h"

namespace attendant {

class ServedModel {
 public:
  virtual ~ServedModel() = default;

  virtual const ModelInfo& info() const = 0;  // name: the one that clients use
  virtual std::variant<TokenizedItem, InputError> Tokenize(const Input& input,
                                                           const TokenizeOptions& options) const = 0;
  virtual std::variant<std::vector<InputWindow>, InputError> TokenizeWindows(const Input& input,
                                                                             const TokenizeOptions& options,
                                                                             const WindowLimits& limits) const = 0;
  virtual absl::Status CheckAttentionSpec(const AttentionSpec& spec, int32_t num_tokens) const = 0;
  virtual int32_t OutputDimension(const EmbedSpec& spec) const = 0;
  virtual absl::StatusOr<QuantizationRanges> Ranges(const EmbedSpec& spec) const = 0;
  virtual bool RangesAreKnown() const = 0;  // false: Ranges will take a while
  virtual std::string_view TokenText(int32_t id) const = 0;
  virtual bool IsSpecialToken(int32_t id) const = 0;
  // Whether what it computes can be trusted; if not, why, for the operator.
  virtual absl::Status Condition() const { return absl::OkStatus(); }
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_SERVED_MODEL_H_
