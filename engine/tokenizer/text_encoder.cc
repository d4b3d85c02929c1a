#include "engine/tokenizer/text_encoder.h"

#include <string>
#include <utility>

#include "engine/tokenizer/utf8.h"
#include "engine/tokenizer/word_builder.h"

namespace attendant {

TextEncoder::TextEncoder(const TokenizerSpec& spec, WordPiece model)
    : normalizer_(spec.normalizer), pre_tokenizer_(spec.pre_tokenizer), model_(std::move(model)) {}

absl::StatusOr<TextEncoder> TextEncoder::Create(const TokenizerSpec& spec) {
  absl::StatusOr<WordPiece> model = WordPiece::Create(spec.model);
  if (!model.ok()) return model.status();
  TextEncoder encoder(spec, *std::move(model));
  for (const AddedTokenSpec& token : spec.added_tokens) {
    std::string pattern;
    if (token.normalized) {
      for (const NormalizedChar& n : Normalize(token.content, 0, spec.normalizer)) utf8::Append(n.c, pattern);
    } else {
      pattern = token.content;
    }
    encoder.added_ids_.emplace(token.content, token.id);
    AddedTokens& list = token.normalized ? encoder.added_normalized_ : encoder.added_;
    if (const absl::Status status = list.Add(token, pattern); !status.ok()) return status;
  }
  if (encoder.added_normalized_.empty()) {
    encoder.scanner_ = TextScanner::Create(spec.normalizer, encoder.pre_tokenizer_);
  }
  return encoder;
}

std::optional<int32_t> TextEncoder::TokenToId(std::string_view token) const {
  const auto added = added_ids_.find(token);
  return added != added_ids_.end() ? std::optional(added->second) : model_.Find(token);
}

void TextEncoder::Encode(std::string_view text, TokenBuffer& tokens) const {
  // English has 4.5 bytes a token.
  tokens.Reserve(text.size() / 4 + 8);
  WordBuilder words(pre_tokenizer_, model_, tokens);
  uint32_t source = 0;
  added_.ForEachSplit(text, [&](const AddedTokens::Split& split) {
    const std::string_view part = text.substr(split.begin, split.end - split.begin);
    if (split.id == AddedTokens::kText) {
      source += EncodePart(part, source, tokens, words);
    } else {
      const auto length = static_cast<uint32_t>(utf8::CountCodePoints(part));
      tokens.AddSpaced(split.id, source, source + length, split.leading_spaces, split.trailing_spaces);
      source += length;
    }
  });
}

// Returns the number of code points.
uint32_t TextEncoder::EncodePart(std::string_view part, uint32_t first_source, TokenBuffer& tokens,
                                 WordBuilder& words) const {
  if (scanner_.has_value()) return scanner_->Scan(part, first_source, words);
  EncodeNormalized(Normalize(part, first_source, normalizer_), tokens, words);
  return static_cast<uint32_t>(utf8::CountCodePoints(part));
}

void TextEncoder::EncodeNormalized(const std::vector<NormalizedChar>& chars, TokenBuffer& tokens,
                                   WordBuilder& words) const {
  std::string text;
  text.reserve(chars.size());
  for (const NormalizedChar& n : chars) utf8::Append(n.c, text);
  size_t index = 0;  // into chars, of the first one not yet dealt with
  added_normalized_.ForEachSplit(text, [&](const AddedTokens::Split& split) {
    const size_t count = utf8::CountCodePoints(std::string_view(text).substr(split.begin, split.end - split.begin));
    const size_t end = index + count;
    if (split.id == AddedTokens::kText) {
      for (; index < end; ++index) words.Append(chars[index].c, chars[index].source);
      words.EndWord();
    } else {
      tokens.AddSpaced(split.id, chars[index].source, chars[end - 1].source + 1, split.leading_spaces,
                       split.trailing_spaces);
      index = end;
    }
  });
}

}  // namespace attendant
