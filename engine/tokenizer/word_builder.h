// Collects normalised characters into words and hands each finished word to WordPiece; tokens go to a TokenBuffer with
// their places in the original text.
//
// Every normalised character comes with its source: the index of the code point of the original text that it was made
// of. A token's place runs from the source of its first character to behind the source of its last.
// A word of more characters than WordPiece takes is counted, not stored: memory is bounded whatever the text.
// Thread-safety: belongs to one call. Borrows the model, the pre-tokenizer and the buffer.
#ifndef ATTENDANT_ENGINE_TOKENIZER_WORD_BUILDER_H_
#define ATTENDANT_ENGINE_TOKENIZER_WORD_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizer/pre_tokenizer.h"
#include "engine/tokenizer/token_buffer.h"
#include "engine/tokenizer/word_piece.h"

namespace attendant {

class WordBuilder {
 public:
  WordBuilder(const PreTokenizer& pre_tokenizer, const WordPiece& model, TokenBuffer& tokens);

  // Adds a character; finishes a word where the pre-tokenizer says so.
  void Append(char32_t c, uint32_t source);

  // The same for a run of ASCII characters, all of the class kWord, whose sources are consecutive.
  void AppendAscii(std::string_view run, uint32_t first_source);
  // The same for one ASCII character of the class kIsolated.
  void AppendIsolated(char c, uint32_t source) {
    EndWord();
    AppendToWord(CharClass::kIsolated, static_cast<unsigned char>(c), source);
    EndWord();
  }

  void EndWord() {
    if (num_chars_ != 0) FinishWord();
  }

 private:
  void AppendToWord(CharClass char_class, char32_t c, uint32_t source);
  void FinishWord();
  // From here on sources_ holds one entry per byte.
  void SpreadSources();
  uint32_t SourceOf(uint32_t byte) const { return linear_ ? first_source_ + byte : sources_[byte]; }

  const PreTokenizer& pre_tokenizer_;
  const WordPiece& model_;
  TokenBuffer& tokens_;

  std::string word_;
  CharClass word_class_ = CharClass::kWord;
  size_t num_chars_ = 0;  // may exceed what word_ holds, when the word is too long for the model
  uint32_t first_source_ = 0, last_source_ = 0;
  bool linear_ = true;             // the source of byte i is first_source_ + i; sources_ is not used
  std::vector<uint32_t> sources_;  // [bytes of word_]
  std::vector<Piece> pieces_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_WORD_BUILDER_H_
