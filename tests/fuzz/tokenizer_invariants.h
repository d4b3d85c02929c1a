// What holds for every tokenizer, text and option. Aborts where it does not: it serves fuzzers and tests alike.
#ifndef ATTENDANT_TESTS_FUZZ_TOKENIZER_INVARIANTS_H_
#define ATTENDANT_TESTS_FUZZ_TOKENIZER_INVARIANTS_H_

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/utf8.h"

namespace attendant {

inline void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "invariant broken: %s\n", what);
  std::abort();
}

// num_chars: code points of the longest text.
inline void CheckEncoding(const Tokenizer& tokenizer, const Encoding& encoding, const EncodeOptions& options, bool pair,
                          int32_t num_chars) {
  const size_t size = encoding.input_ids.size();
  Require(encoding.token_type_ids.size() == size && encoding.offsets.size() == size, "lengths are equal");
  Require(encoding.tokens_dropped >= 0, "no negative number of tokens is dropped");
  if (options.max_tokens >= tokenizer.num_special_tokens(pair) && options.max_tokens > 0) {
    Require(size <= static_cast<size_t>(options.max_tokens), "the bound on the length is kept");
  } else if (options.max_tokens == 0) {
    Require(encoding.tokens_dropped == 0, "nothing is dropped without a bound");
  }
  for (const int32_t id : encoding.input_ids) {
    Require(id >= 0 && id < tokenizer.vocab_size() && !tokenizer.IdToToken(id).empty(), "ids are in the vocabulary");
  }
  int32_t last_start = 0, last_type = -1;
  for (size_t i = 0; i < size; ++i) {
    const Offset& offset = encoding.offsets[i];
    Require(offset.start >= 0 && offset.start <= offset.end && offset.end <= num_chars, "offsets are in the text");
    if (offset == Offset{} || encoding.token_type_ids[i] != last_type) last_start = 0;  // special, or the other text
    if (offset == Offset{}) continue;
    if (!pair) Require(offset.start >= last_start, "offsets go forward");
    last_start = offset.start;
    last_type = encoding.token_type_ids[i];
  }
}

// A text alone, and a pair.
inline void CheckInvariants(const Tokenizer& tokenizer, std::string_view first, std::string_view second,
                            const EncodeOptions& options) {
  const auto length = [](std::string_view text) {
    return static_cast<int32_t>(utf8::CountCodePoints(utf8::Repair(text)));
  };
  const Encoding single = tokenizer.Encode(first, options);
  CheckEncoding(tokenizer, single, options, false, length(first));
  const Encoding pair = tokenizer.EncodePair(first, second, options);
  CheckEncoding(tokenizer, pair, options, true, std::max(length(first), length(second)));
  const Encoding wrapped = tokenizer.WrapIds(single.input_ids, single.token_type_ids, options);
  CheckEncoding(tokenizer, wrapped, options, false, 0);
}

}  // namespace attendant

#endif  // ATTENDANT_TESTS_FUZZ_TOKENIZER_INVARIANTS_H_
