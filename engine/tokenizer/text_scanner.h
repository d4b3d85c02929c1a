// A BertNormalizer and a pre-tokenizer in one pass over a text: characters go straight into a WordBuilder.
//
// ASCII runs take a byte table. Other characters are decoded and treated one by one: cleaning, spaces around Chinese
// characters and lower-casing look at one character only. Decomposition does not: marks may have to change places.
// Almost always the marks are about to be stripped, and then their order does not matter; the rare runs with marks that
// stay take the general way of normalizer.h. Thread-safety: immutable.
#ifndef ATTENDANT_ENGINE_TOKENIZER_TEXT_SCANNER_H_
#define ATTENDANT_ENGINE_TOKENIZER_TEXT_SCANNER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "engine/tokenizer/pre_tokenizer.h"
#include "engine/tokenizer/tokenizer_spec.h"
#include "engine/tokenizer/word_builder.h"

namespace attendant {

class TextScanner {
 public:
  // None when the steps are not a BertNormalizer's (all, some or none of its steps, in its order).
  static std::optional<TextScanner> Create(std::span<const NormalizerStep> steps, const PreTokenizer& pre_tokenizer);

  // Scans a text, valid UTF-8, whose first code point has the index first_source, to its end, and ends the last word.
  // Returns the number of code points.
  uint32_t Scan(std::string_view text, uint32_t first_source, WordBuilder& words) const;

 private:
  // What becomes of an ASCII byte; other than a word's characters, one value for each way.
  enum class AsciiAction : uint8_t { kWord, kSeparator, kIsolated, kDropped, kOtherWord, kNotAscii };
  struct AsciiEntry {
    AsciiAction action = AsciiAction::kNotAscii;
    char normalized = 0;
  };
  struct Position {
    size_t byte;
    uint32_t source;
  };

  TextScanner() = default;
  void BuildAsciiTable(const PreTokenizer& pre_tokenizer);
  void ScanAsciiWord(std::string_view text, Position& position, WordBuilder& words) const;
  void ScanOther(std::string_view text, Position& position, WordBuilder& words) const;
  void ScanMarks(std::string_view text, Position& position, WordBuilder& words) const;
  void AppendStripped(char32_t c, uint32_t source, WordBuilder& words) const;
  void AppendLowered(char32_t c, uint32_t source, WordBuilder& words) const;

  bool clean_ = false;
  bool space_chinese_ = false;
  bool strip_accents_ = false;
  bool lowercase_ = false;
  std::array<AsciiEntry, 256> ascii_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_TEXT_SCANNER_H_
