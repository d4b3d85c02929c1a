// What the tokenizer needs to know of a code point: constant tables, two look-ups deep.
//
// They hold the answers of the Hugging Face `tokenizers` package, not of one Unicode version: its character categories,
// its lower-casing, its decompositions and its regular expressions come from different versions of Unicode.
// Thread-safety: constants.
#ifndef ATTENDANT_ENGINE_TOKENIZER_UNICODE_PROPERTIES_H_
#define ATTENDANT_ENGINE_TOKENIZER_UNICODE_PROPERTIES_H_

#include <cstdint>
#include <span>

namespace attendant::unicode {

// Flags of a code point. The program that makes the tables has the same list in the same order.
enum Property : uint16_t {
  kCleanRemoved = 1 << 0,       // BertNormalizer's clean_text removes it (controls, formats, private use, U+FFFD)
  kCleanSpace = 1 << 1,         // clean_text turns it into a space
  kWhitespace = 1 << 2,         // pre-tokenizers split at it; also \s
  kPunctuation = 1 << 3,        // the ASCII punctuation and the P categories
  kNonspacingMark = 1 << 4,     // BertNormalizer's strip_accents removes it
  kMark = 1 << 5,               // the StripAccents normalizer removes it
  kWord = 1 << 6,               // \w
  kLowercaseExpands = 1 << 7,   // lower-case is two code points, the second U+0307
  kHasNonstarter = 1 << 8,      // its decomposition (itself, if it has none) holds a combining class other than 0
  kHasKeptNonstarter = 1 << 9,  // ... that strip_accents keeps
};

struct CodePointRecord {
  uint16_t flags;
  uint8_t combining_class;
  uint8_t decomposition_length;  // 0: decomposes to itself (Hangul syllables too; they decompose by arithmetic)
  uint16_t decomposition_start;
  int32_t lowercase_delta;
};

extern const CodePointRecord kRecords[];
extern const uint16_t kBlockOfCodePoint[];   // [0x110000 / 128]
extern const uint16_t kRecordOfCodePoint[];  // [blocks, 128]
extern const char32_t kDecompositions[];

// code_point < 0x110000.
inline const CodePointRecord& Lookup(char32_t code_point) {
  return kRecords[kRecordOfCodePoint[kBlockOfCodePoint[code_point >> 7] * 128 + (code_point & 127)]];
}

inline std::span<const char32_t> Decomposition(const CodePointRecord& record) {
  return {kDecompositions + record.decomposition_start, record.decomposition_length};
}

// The blocks around which BertNormalizer's handle_chinese_chars puts spaces. The gap before U+2B920 is the package's.
inline bool IsChinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

inline bool IsHangulSyllable(char32_t c) { return c >= 0xAC00 && c < 0xAC00 + 11172; }

// Writes the two or three jamo of a Hangul syllable, returns how many.
inline int DecomposeHangul(char32_t syllable, char32_t out[3]) {
  const char32_t index = syllable - 0xAC00;
  out[0] = 0x1100 + index / 588;
  out[1] = 0x1161 + index % 588 / 28;
  out[2] = 0x11A7 + index % 28;
  return index % 28 == 0 ? 2 : 3;
}

}  // namespace attendant::unicode

#endif  // ATTENDANT_ENGINE_TOKENIZER_UNICODE_PROPERTIES_H_
