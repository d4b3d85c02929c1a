#include "engine/tokenizer/word_builder.h"

#include "engine/tokenizer/utf8.h"

namespace attendant {

WordBuilder::WordBuilder(const PreTokenizer& pre_tokenizer, const WordPiece& model, TokenBuffer& tokens)
    : pre_tokenizer_(pre_tokenizer), model_(model), tokens_(tokens) {}

void WordBuilder::Append(char32_t c, uint32_t source) {
  const CharClass char_class = pre_tokenizer_.Classify(c);
  switch (char_class) {
    case CharClass::kSeparator:
      EndWord();
      return;
    case CharClass::kIsolated:
      EndWord();
      AppendToWord(char_class, c, source);
      EndWord();
      return;
    case CharClass::kWord:
    case CharClass::kOtherWord:
      if (char_class != word_class_) EndWord();
      AppendToWord(char_class, c, source);
      return;
  }
}

void WordBuilder::AppendAscii(std::string_view run, uint32_t first_source) {
  if (word_class_ != CharClass::kWord) EndWord();
  word_class_ = CharClass::kWord;
  if (num_chars_ == 0) first_source_ = first_source;
  const size_t before = num_chars_;
  num_chars_ += run.size();
  last_source_ = first_source + static_cast<uint32_t>(run.size()) - 1;
  if (num_chars_ > model_.max_input_chars()) return;
  if (linear_ && first_source_ + before == first_source) {
    word_.append(run);
    return;
  }
  if (linear_) SpreadSources();
  word_.append(run);
  for (size_t i = 0; i < run.size(); ++i) sources_.push_back(first_source + static_cast<uint32_t>(i));
}

void WordBuilder::AppendToWord(CharClass char_class, char32_t c, uint32_t source) {
  word_class_ = char_class;
  if (num_chars_ == 0) first_source_ = source;
  last_source_ = source;
  if (++num_chars_ > model_.max_input_chars()) return;
  if (linear_ && c < 0x80 && source == first_source_ + word_.size()) {
    word_.push_back(static_cast<char>(c));
    return;
  }
  if (linear_) SpreadSources();
  utf8::Append(c, word_);
  sources_.resize(word_.size(), source);
}

void WordBuilder::SpreadSources() {
  linear_ = false;
  sources_.clear();
  for (size_t i = 0; i < word_.size(); ++i) sources_.push_back(first_source_ + static_cast<uint32_t>(i));
}

void WordBuilder::FinishWord() {
  if (num_chars_ > model_.max_input_chars()) {
    tokens_.Add(model_.unk_id(), first_source_, last_source_ + 1);
  } else {
    model_.Tokenize(word_, pieces_);
    for (const Piece& piece : pieces_) tokens_.Add(piece.id, SourceOf(piece.begin), SourceOf(piece.end - 1) + 1);
  }
  word_.clear();
  num_chars_ = 0;
  linear_ = true;
}

}  // namespace attendant
