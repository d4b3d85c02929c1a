#include "engine/tokenizer/added_tokens.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/tokenizer/unicode_properties.h"
#include "engine/tokenizer/utf8.h"

namespace attendant {
namespace {

bool Has(char32_t c, unicode::Property property) { return unicode::Lookup(c).flags & property; }

bool EndsWithWord(std::string_view text) {
  if (text.empty()) return false;
  size_t position = text.size();
  return Has(utf8::Previous(text, position), unicode::kWord);
}

bool StartsWithWord(std::string_view text) {
  if (text.empty()) return false;
  size_t position = 0;
  return Has(utf8::Next(text, position), unicode::kWord);
}

}  // namespace

absl::Status AddedTokens::Add(const AddedTokenSpec& token, const std::string& pattern) {
  if (pattern.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("added token \"", token.content, "\" is empty after normalisation"));
  }
  if (const uint32_t node = trie_.Walk(pattern); node != ByteTrie::kNoNode && trie_.Value(node) != ByteTrie::kNoValue) {
    return absl::InvalidArgumentError(absl::StrCat("added tokens \"", tokens_[trie_.Value(node)].content, "\" and \"",
                                                   token.content, "\" are the same in a text"));
  }
  size_t position = 0;
  any_rstrip_ = any_rstrip_ || token.rstrip;
  any_begins_with_space_ = any_begins_with_space_ || Has(utf8::Next(pattern, position), unicode::kWhitespace);
  if (any_rstrip_ && any_begins_with_space_) {
    return absl::UnimplementedError(absl::StrCat("added token \"", token.content,
                                                 "\": rstrip together with added tokens that begin with white space"));
  }
  if (!trie_.Insert(pattern, static_cast<int32_t>(tokens_.size()))) {
    return absl::InvalidArgumentError("added_tokens are too large");
  }
  tokens_.push_back(token);
  const auto first = static_cast<unsigned char>(pattern[0]);
  if (!begins_[first]) ++num_first_bytes_;
  begins_[first] = true;
  first_byte_ = pattern[0];
  return absl::OkStatus();
}

AddedTokens::Match AddedTokens::Find(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (num_first_bytes_ == 1) {
      const void* found = std::memchr(text.data() + begin, first_byte_, text.size() - begin);
      if (found == nullptr) break;
      begin = static_cast<const char*>(found) - text.data();
    } else if (!begins_[static_cast<unsigned char>(text[begin])]) {
      continue;
    }
    Match longest = {nullptr, begin, begin};
    uint32_t node = ByteTrie::kRoot;
    for (size_t i = begin; i < text.size();) {
      node = trie_.Step(node, static_cast<unsigned char>(text[i++]));
      if (node == ByteTrie::kNoNode) break;
      if (const int32_t token = trie_.Value(node); token != ByteTrie::kNoValue) longest = {&tokens_[token], begin, i};
    }
    if (longest.token != nullptr) return longest;
  }
  return {nullptr, text.size(), text.size()};
}

bool AddedTokens::Widen(std::string_view text, size_t done, Match& match) {
  const AddedTokenSpec& token = *match.token;
  if (token.single_word && (EndsWithWord(text.substr(0, match.begin)) || StartsWithWord(text.substr(match.end)))) {
    return false;
  }
  while (token.lstrip && match.begin > done) {
    size_t before = match.begin;
    if (!Has(utf8::Previous(text, before), unicode::kWhitespace)) break;
    match.begin = before;
    ++match.leading_spaces;
  }
  while (token.rstrip && match.end < text.size()) {
    size_t behind = match.end;
    if (!Has(utf8::Next(text, behind), unicode::kWhitespace)) break;
    match.end = behind;
    ++match.trailing_spaces;
  }
  return true;
}

}  // namespace attendant
