// A model's rules between a caller's input and the token sequence: prompt, lower-casing, special tokens, maximum
// length and truncation as sentence-transformers does them, and the checks that make a sequence safe to run.
// Thread-safety: immutable.
#ifndef ATTENDANT_ENGINE_INPUT_TOKENIZER_H_
#define ATTENDANT_ENGINE_INPUT_TOKENIZER_H_

#include <string>
#include <variant>

#include "engine/embedder.h"
#include "engine/model/model_config.h"
#include "engine/tokenizer/tokenizer.h"

namespace attendant {

class InputTokenizer {
 public:
  // All borrowed.
  InputTokenizer(const ModelConfig& config, const SentenceConfig& sentence, const Tokenizer& tokenizer)
      : config_(config), sentence_(sentence), tokenizer_(tokenizer) {}

  std::variant<TokenizedItem, InputError> Tokenize(const Input& input, const TokenizeOptions& options) const;
  std::variant<std::vector<InputWindow>, InputError> TokenizeWindows(const Input& input, const TokenizeOptions& options,
                                                                     const WindowLimits& limits) const;

 private:
  using Outcome = std::variant<TokenizedItem, InputError>;
  struct Prompt {
    std::string text;
    std::optional<InputError> error;
  };

  Prompt FindPrompt(const TokenizeOptions& options) const;
  int32_t MaxTokens(const TokenizeOptions& options) const;
  Outcome TokenizeText(std::string_view text, const TokenizeOptions& options) const;
  Outcome TokenizePair(const PairInput& pair, const TokenizeOptions& options) const;
  Outcome TokenizeIds(const IdsInput& ids, const TokenizeOptions& options) const;
  std::optional<InputError> CheckIds(const IdsInput& ids) const;
  // An input of any length.
  Outcome TokenizeWhole(const Input& input, const TokenizeOptions& options) const;
  // Special tokens before the content of a single sequence.
  size_t LeadingSpecialTokens() const;
  // The windows of an input whose content is cut up.
  std::variant<std::vector<InputWindow>, InputError> Cut(const TokenizedItem& whole, const WindowLimits& limits,
                                                         const char* field) const;
  // Checks the length against the policy and builds the item. field: of the input, for errors.
  Outcome Finish(Encoding encoding, const TokenizeOptions& options, const char* field) const;

  const ModelConfig& config_;
  const SentenceConfig& sentence_;
  const Tokenizer& tokenizer_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_INPUT_TOKENIZER_H_
