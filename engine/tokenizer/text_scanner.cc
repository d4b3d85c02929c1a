#include "engine/tokenizer/text_scanner.h"

#include <vector>

#include "engine/tokenizer/normalizer.h"
#include "engine/tokenizer/unicode_properties.h"
#include "engine/tokenizer/utf8.h"

namespace attendant {

using unicode::Lookup;

std::optional<TextScanner> TextScanner::Create(std::span<const NormalizerStep> steps,
                                               const PreTokenizer& pre_tokenizer) {
  TextScanner scanner;
  const auto take = [&steps](NormalizerStep step) {
    if (steps.empty() || steps.front() != step) return false;
    steps = steps.subspan(1);
    return true;
  };
  scanner.clean_ = take(NormalizerStep::kClean);
  scanner.space_chinese_ = take(NormalizerStep::kSpaceChinese);
  if (take(NormalizerStep::kNfd)) {
    if (!take(NormalizerStep::kStripNonspacingMarks)) return std::nullopt;
    scanner.strip_accents_ = true;
  }
  scanner.lowercase_ = take(NormalizerStep::kLowercase);
  if (!steps.empty()) return std::nullopt;
  scanner.BuildAsciiTable(pre_tokenizer);
  return scanner;
}

void TextScanner::BuildAsciiTable(const PreTokenizer& pre_tokenizer) {
  for (char32_t c = 0; c < 0x80; ++c) {
    AsciiEntry& entry = ascii_[c];
    const unicode::CodePointRecord& record = Lookup(c);
    if (clean_ && (record.flags & unicode::kCleanRemoved)) {
      entry.action = AsciiAction::kDropped;
      continue;
    }
    char32_t normalized = clean_ && (record.flags & unicode::kCleanSpace) ? ' ' : c;
    if (lowercase_) normalized += Lookup(normalized).lowercase_delta;
    entry.normalized = static_cast<char>(normalized);
    switch (pre_tokenizer.Classify(normalized)) {
      case CharClass::kWord:
        entry.action = AsciiAction::kWord;
        break;
      case CharClass::kOtherWord:
        entry.action = AsciiAction::kOtherWord;
        break;
      case CharClass::kIsolated:
        entry.action = AsciiAction::kIsolated;
        break;
      case CharClass::kSeparator:
        entry.action = AsciiAction::kSeparator;
        break;
    }
  }
}

uint32_t TextScanner::Scan(std::string_view text, uint32_t first_source, WordBuilder& words) const {
  Position position = {0, first_source};
  while (position.byte < text.size()) {
    const AsciiEntry& entry = ascii_[static_cast<unsigned char>(text[position.byte])];
    switch (entry.action) {
      case AsciiAction::kWord:
        ScanAsciiWord(text, position, words);
        continue;
      case AsciiAction::kNotAscii:
        ScanOther(text, position, words);
        continue;
      case AsciiAction::kSeparator:
        words.EndWord();
        break;
      case AsciiAction::kIsolated:
        words.AppendIsolated(entry.normalized, position.source);
        break;
      case AsciiAction::kOtherWord:
        words.Append(static_cast<unsigned char>(entry.normalized), position.source);
        break;
      case AsciiAction::kDropped:
        break;
    }
    ++position.byte;
    ++position.source;
  }
  words.EndWord();
  return position.source - first_source;
}

void TextScanner::ScanAsciiWord(std::string_view text, Position& position, WordBuilder& words) const {
  char run[64];
  size_t length = 0;
  while (length < sizeof(run) && position.byte + length < text.size()) {
    const AsciiEntry& entry = ascii_[static_cast<unsigned char>(text[position.byte + length])];
    if (entry.action != AsciiAction::kWord) break;
    run[length++] = entry.normalized;
  }
  words.AppendAscii({run, length}, position.source);
  position.byte += length;
  position.source += static_cast<uint32_t>(length);
}

void TextScanner::ScanOther(std::string_view text, Position& position, WordBuilder& words) const {
  Position next = position;
  char32_t c = utf8::Next(text, next.byte);
  ++next.source;
  const uint16_t flags = Lookup(c).flags;
  if (clean_ && (flags & unicode::kCleanRemoved)) {
    position = next;
    return;
  }
  if (strip_accents_ && (flags & unicode::kHasNonstarter)) return ScanMarks(text, position, words);
  if (clean_ && (flags & unicode::kCleanSpace)) c = ' ';
  const bool chinese = space_chinese_ && unicode::IsChinese(c);
  if (chinese) words.Append(' ', position.source);
  if (strip_accents_) {
    AppendStripped(c, position.source, words);
  } else {
    AppendLowered(c, position.source, words);
  }
  if (chinese) words.Append(' ', position.source);
  position = next;
}

// position is at a character whose decomposition has marks; takes it and all such characters behind it.
void TextScanner::ScanMarks(std::string_view text, Position& position, WordBuilder& words) const {
  bool order_matters = false;
  const Position begin = position;
  Position end = begin;
  for (Position next = begin; next.byte < text.size(); end = next) {
    const uint16_t flags = Lookup(utf8::Next(text, next.byte)).flags;
    ++next.source;
    if (clean_ && (flags & unicode::kCleanRemoved)) continue;
    if (!(flags & unicode::kHasNonstarter)) break;
    if (flags & unicode::kHasKeptNonstarter) order_matters = true;
  }
  position = end;

  std::vector<NormalizedChar> chars;
  for (Position at = begin; at.byte < end.byte; ++at.source) {
    const char32_t c = utf8::Next(text, at.byte);
    if (clean_ && (Lookup(c).flags & unicode::kCleanRemoved)) continue;
    if (order_matters) {
      chars.push_back({c, at.source});
    } else {
      AppendStripped(c, at.source, words);
    }
  }
  for (const NormalizedChar& n : Decompose(chars)) {
    if (!(Lookup(n.c).flags & unicode::kNonspacingMark)) AppendLowered(n.c, n.source, words);
  }
}

void TextScanner::AppendStripped(char32_t c, uint32_t source, WordBuilder& words) const {
  if (unicode::IsHangulSyllable(c)) {
    char32_t jamo[3];
    const int count = unicode::DecomposeHangul(c, jamo);
    for (int i = 0; i < count; ++i) AppendLowered(jamo[i], source, words);
    return;
  }
  const unicode::CodePointRecord& record = Lookup(c);
  if (record.decomposition_length == 0) {
    if (!(record.flags & unicode::kNonspacingMark)) AppendLowered(c, source, words);
    return;
  }
  for (const char32_t part : unicode::Decomposition(record)) {
    if (!(Lookup(part).flags & unicode::kNonspacingMark)) AppendLowered(part, source, words);
  }
}

void TextScanner::AppendLowered(char32_t c, uint32_t source, WordBuilder& words) const {
  if (!lowercase_) return words.Append(c, source);
  const unicode::CodePointRecord& record = Lookup(c);
  words.Append(c + record.lowercase_delta, source);
  if (record.flags & unicode::kLowercaseExpands) words.Append(0x307, source);
}

}  // namespace attendant
