// Builds a BERT tokenizer from vocab.txt and the small JSON files beside it, as `transformers` does for directories
// without a tokenizer.json.
//
// Special tokens that vocab.txt does not have are left out rather than given new ids: the model has no row for them.
// Thread-safety: pure functions.
#ifndef ATTENDANT_ENGINE_TOKENIZER_VOCAB_TXT_H_
#define ATTENDANT_ENGINE_TOKENIZER_VOCAB_TXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

struct NamedText {
  std::string name;  // of the file, for errors
  std::string text;  // of JSON files: "{}" where there is no file
};

absl::StatusOr<TokenizerSpec> ReadVocabTxt(const NamedText& vocab, const NamedText& tokenizer_config,
                                           const NamedText& special_tokens_map);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_VOCAB_TXT_H_
