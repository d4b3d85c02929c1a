// Where words begin and end: a class for each character. Two neighbours are in the same word when both have the same
// class and it is one of the two word classes.
// Thread-safety: immutable.
#ifndef ATTENDANT_ENGINE_TOKENIZER_PRE_TOKENIZER_H_
#define ATTENDANT_ENGINE_TOKENIZER_PRE_TOKENIZER_H_

#include <cstdint>

#include "engine/tokenizer/tokenizer_spec.h"
#include "engine/tokenizer/unicode_properties.h"

namespace attendant {

enum class CharClass : uint8_t {
  kWord,       // continues a word of its class
  kOtherWord,  // the same for what is not \w, where the two are kept apart
  kIsolated,   // a word by itself
  kSeparator,  // ends a word and is dropped
};

class PreTokenizer {
 public:
  explicit PreTokenizer(const PreTokenizerSpec& spec) : spec_(spec) {}

  CharClass Classify(char32_t c) const {
    const uint16_t flags = unicode::Lookup(c).flags;
    if (spec_.split_whitespace && (flags & unicode::kWhitespace)) return CharClass::kSeparator;
    if (spec_.isolate_punctuation && (flags & unicode::kPunctuation)) return CharClass::kIsolated;
    if (spec_.split_word_classes && !(flags & unicode::kWord)) return CharClass::kOtherWord;
    return CharClass::kWord;
  }

 private:
  PreTokenizerSpec spec_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_PRE_TOKENIZER_H_
