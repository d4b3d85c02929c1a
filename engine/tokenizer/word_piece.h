// WordPiece: a word is cut from the left into the longest pieces of the vocabulary; pieces behind the first carry a
// prefix ("##"). A word with a rest that no piece begins, or with too many characters, becomes the unknown token.
//
// It knows nothing of texts: words come in normalised and split.
// Thread-safety: immutable. Owns its vocabulary.
#ifndef ATTENDANT_ENGINE_TOKENIZER_WORD_PIECE_H_
#define ATTENDANT_ENGINE_TOKENIZER_WORD_PIECE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizer/byte_trie.h"
#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

// Bytes [begin, end) of the word.
struct Piece {
  int32_t id;
  uint32_t begin, end;
};

class WordPiece {
 public:
  // INVALID_ARGUMENT when the unknown token is not in the vocabulary, a token is there twice, or the vocabulary is too
  // large.
  static absl::StatusOr<WordPiece> Create(const WordPieceSpec& spec);

  // word: not empty, valid UTF-8, at most max_input_chars characters. pieces is overwritten.
  void Tokenize(std::string_view word, std::vector<Piece>& pieces) const;

  // The id of a token as it stands in the vocabulary.
  std::optional<int32_t> Find(std::string_view token) const;

  int32_t unk_id() const { return unk_id_; }
  size_t max_input_chars() const { return max_input_chars_; }

 private:
  WordPiece() = default;

  // All tokens, with their prefixes; walks of later pieces start behind the prefix.
  ByteTrie trie_;
  uint32_t continuing_ = ByteTrie::kNoNode;
  int32_t unk_id_ = 0;
  size_t max_input_chars_ = 0;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_WORD_PIECE_H_
