// One text to its content tokens: added tokens are cut out, what lies between them is normalised, split into words and
// given to WordPiece. It knows nothing of special tokens around a text, nor of truncation.
// Thread-safety: immutable; one instance serves all threads.
#ifndef ATTENDANT_ENGINE_TOKENIZER_TEXT_ENCODER_H_
#define ATTENDANT_ENGINE_TOKENIZER_TEXT_ENCODER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizer/added_tokens.h"
#include "engine/tokenizer/normalizer.h"
#include "engine/tokenizer/pre_tokenizer.h"
#include "engine/tokenizer/text_scanner.h"
#include "engine/tokenizer/token_buffer.h"
#include "engine/tokenizer/tokenizer_spec.h"
#include "engine/tokenizer/word_piece.h"

namespace attendant {

class TextEncoder {
 public:
  static absl::StatusOr<TextEncoder> Create(const TokenizerSpec& spec);

  // The id of an added token or of a token of the vocabulary.
  std::optional<int32_t> TokenToId(std::string_view token) const;

  // text: valid UTF-8.
  void Encode(std::string_view text, TokenBuffer& tokens) const;

 private:
  TextEncoder(const TokenizerSpec& spec, WordPiece model);

  uint32_t EncodePart(std::string_view part, uint32_t first_source, TokenBuffer& tokens, WordBuilder& words) const;
  void EncodeNormalized(const std::vector<NormalizedChar>& chars, TokenBuffer& tokens, WordBuilder& words) const;

  std::vector<NormalizerStep> normalizer_;
  PreTokenizer pre_tokenizer_;
  WordPiece model_;
  AddedTokens added_;             // looked for in the text as it is
  AddedTokens added_normalized_;  // looked for after normalisation
  std::map<std::string, int32_t, std::less<>> added_ids_;
  // Does normalizer_ and pre_tokenizer_ in one pass, where that is possible.
  std::optional<TextScanner> scanner_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_TEXT_ENCODER_H_
