// The model behind which there is a real engine. Apart from the interface, so that only those who have an engine link
// one.
//
// Thread-safety: const members may be called from any thread at once.
#ifndef ATTENDANT_SERVER_MODELS_EMBEDDER_MODEL_H_
#define ATTENDANT_SERVER_MODELS_EMBEDDER_MODEL_H_

#include <string>
#include <string_view>
#include <variant>

#include "server/models/served_model.h"

namespace attendant {

// The embedder must outlive it.
class EmbedderModel final : public ServedModel {
 public:
  // name: what clients call it; empty: the model's own.
  EmbedderModel(const Embedder* embedder, const std::string& name) : embedder_(embedder), info_(embedder->info()) {
    if (!name.empty()) info_.name = name;
  }

  const ModelInfo& info() const override { return info_; }
  std::variant<TokenizedItem, InputError> Tokenize(const Input& input, const TokenizeOptions& options) const override {
    return embedder_->Tokenize(input, options);
  }
  std::variant<std::vector<InputWindow>, InputError> TokenizeWindows(const Input& input, const TokenizeOptions& options,
                                                                     const WindowLimits& limits) const override {
    return embedder_->TokenizeWindows(input, options, limits);
  }
  absl::Status CheckAttentionSpec(const AttentionSpec& spec, int32_t num_tokens) const override {
    return embedder_->CheckAttentionSpec(spec, num_tokens);
  }
  int32_t OutputDimension(const EmbedSpec& spec) const override { return embedder_->OutputDimension(spec); }
  absl::StatusOr<QuantizationRanges> Ranges(const EmbedSpec& spec) const override { return embedder_->Ranges(spec); }
  bool RangesAreKnown() const override { return embedder_->RangesAreKnown(); }
  std::string_view TokenText(int32_t id) const override { return embedder_->tokenizer().IdToToken(id); }
  bool IsSpecialToken(int32_t id) const override { return embedder_->tokenizer().IsSpecial(id); }
  absl::Status Condition() const override { return embedder_->Condition(); }

 private:
  const Embedder* embedder_;
  ModelInfo info_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_EMBEDDER_MODEL_H_
