// Normalisation, one step over the whole text at a time, exactly as the `tokenizers` package does it: each character of
// the result remembers which code point of the original it came from.
//
// This is the general form, for any list of steps; it needs memory for the whole text. text_scanner.h does the steps
// of a BertNormalizer in one pass.
// Thread-safety: pure functions.
#ifndef ATTENDANT_ENGINE_TOKENIZER_NORMALIZER_H_
#define ATTENDANT_ENGINE_TOKENIZER_NORMALIZER_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

struct NormalizedChar {
  char32_t c;
  uint32_t source;  // index of a code point in the original text
};

// text: valid UTF-8; first_source: the index of its first code point in the original.
std::vector<NormalizedChar> Normalize(std::string_view text, uint32_t first_source,
                                      std::span<const NormalizerStep> steps);

// Canonical decomposition in canonical order (NFD). The package's alignment is kept with its quirk: when marks change
// places, the places in the text do not follow the characters; they are handed out again in the new order.
std::vector<NormalizedChar> Decompose(std::span<const NormalizedChar> chars);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_NORMALIZER_H_
