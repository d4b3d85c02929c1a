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
  virtual absl::Status CheckAttentionSpec(const AttentionSpec& spec, int32_t num_tokens) const = 0;
  virtual int32_t OutputDimension(const EmbedSpec& spec) const = 0;
  virtual std::string_view TokenText(int32_t id) const = 0;
  virtual bool IsSpecialToken(int32_t id) const = 0;
  // Whether what it computes can be trusted; if not, why, for the operator.
  virtual absl::Status Condition() const { return absl::OkStatus(); }
};

// The real one. The embedder must outlive it.
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
  absl::Status CheckAttentionSpec(const AttentionSpec& spec, int32_t num_tokens) const override {
    return embedder_->CheckAttentionSpec(spec, num_tokens);
  }
  int32_t OutputDimension(const EmbedSpec& spec) const override { return embedder_->OutputDimension(spec); }
  std::string_view TokenText(int32_t id) const override { return embedder_->tokenizer().IdToToken(id); }
  bool IsSpecialToken(int32_t id) const override { return embedder_->tokenizer().IsSpecial(id); }
  absl::Status Condition() const override { return embedder_->Condition(); }

 private:
  const Embedder* embedder_;
  ModelInfo info_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_SERVED_MODEL_H_
