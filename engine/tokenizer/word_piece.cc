#include "engine/tokenizer/word_piece.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace attendant {

absl::StatusOr<WordPiece> WordPiece::Create(const WordPieceSpec& spec) {
  WordPiece model;
  model.unk_id_ = -1;
  for (const auto& [token, id] : spec.vocab) {
    if (model.Find(token).has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("model.vocab has the token \"", token, "\" twice"));
    }
    if (!model.trie_.Insert(token, id)) {
      return absl::InvalidArgumentError("model.vocab is too large: its tokens have more than 16 million bytes");
    }
    if (token == spec.unk_token) model.unk_id_ = id;
  }
  if (model.unk_id_ < 0) {
    return absl::InvalidArgumentError(absl::StrCat("model.unk_token \"", spec.unk_token, "\" is not in model.vocab"));
  }
  model.continuing_ = model.trie_.Walk(spec.continuing_subword_prefix);
  model.max_input_chars_ = static_cast<size_t>(spec.max_input_chars_per_word);
  return model;
}

std::optional<int32_t> WordPiece::Find(std::string_view token) const {
  const uint32_t node = trie_.Walk(token);
  if (node == ByteTrie::kNoNode || trie_.Value(node) == ByteTrie::kNoValue) return std::nullopt;
  return trie_.Value(node);
}

void WordPiece::Tokenize(std::string_view word, std::vector<Piece>& pieces) const {
  pieces.clear();
  const auto size = static_cast<uint32_t>(word.size());
  uint32_t begin = 0;
  uint32_t start = ByteTrie::kRoot;
  while (begin < size) {
    Piece longest = {ByteTrie::kNoValue, begin, begin};
    uint32_t node = start;
    for (uint32_t i = begin; i < size && node != ByteTrie::kNoNode;) {
      node = trie_.Step(node, static_cast<unsigned char>(word[i++]));
      if (node == ByteTrie::kNoNode) break;
      if (const int32_t id = trie_.Value(node); id != ByteTrie::kNoValue) longest = {id, begin, i};
    }
    if (longest.id == ByteTrie::kNoValue) {
      pieces.assign(1, {unk_id_, 0, size});
      return;
    }
    pieces.push_back(longest);
    begin = longest.end;
    start = continuing_;
  }
}

}  // namespace attendant
