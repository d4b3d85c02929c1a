// Reads a tokenizer.json (format version 1.0). What is not supported is refused by name; truncation, padding and
// decoder are ignored.
// Thread-safety: pure functions.
#ifndef ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_JSON_H_
#define ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_JSON_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

// Ids above this are refused: no vocabulary is that large, and a forged one could ask for as much memory.
inline constexpr int32_t kMaxTokenId = (1 << 24) - 1;

// name: of the file, for errors, which are INVALID_ARGUMENT (wrong) or UNIMPLEMENTED (right, and not supported).
absl::StatusOr<TokenizerSpec> ReadTokenizerJson(std::string_view text, const std::string& name);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_JSON_H_
