// Added tokens: strings that are cut out of a text before anything else happens to it (or, if they ask for it, after
// normalisation). Of those that begin leftmost, the longest wins; the search goes on behind it.
// Thread-safety: immutable.
#ifndef ATTENDANT_ENGINE_TOKENIZER_ADDED_TOKENS_H_
#define ATTENDANT_ENGINE_TOKENIZER_ADDED_TOKENS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/tokenizer/byte_trie.h"
#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

class AddedTokens {
 public:
  static constexpr int32_t kText = -1;
  // Bytes [begin, end) of the text: an added token, or text between them (id kText).
  struct Split {
    int32_t id;
    size_t begin, end;
    uint32_t leading_spaces = 0, trailing_spaces = 0;  // code points that lstrip and rstrip have taken in
  };

  // pattern: what to look for, the content or its normalised form. INVALID_ARGUMENT when it is empty or there already;
  // UNIMPLEMENTED when it could overlap the white space that another token takes in.
  absl::Status Add(const AddedTokenSpec& token, const std::string& pattern);

  bool empty() const { return tokens_.empty(); }

  // Calls visit(Split) for the whole text, in order; parts are never empty. text: valid UTF-8.
  template <typename Visit>
  void ForEachSplit(std::string_view text, Visit visit) const {
    size_t done = 0;
    for (size_t from = 0; from < text.size();) {
      Match match = Find(text, from);
      from = match.end;
      if (match.token == nullptr) break;
      if (!Widen(text, done, match)) continue;
      if (done < match.begin) visit(Split{kText, done, match.begin});
      visit(Split{match.token->id, match.begin, match.end, match.leading_spaces, match.trailing_spaces});
      done = match.end;
    }
    if (done != text.size()) visit(Split{kText, done, text.size()});
  }

 private:
  struct Match {
    const AddedTokenSpec* token;  // null: there is none
    size_t begin, end;
    uint32_t leading_spaces = 0, trailing_spaces = 0;
  };

  Match Find(std::string_view text, size_t from) const;
  // Takes in the white space that the token wants around it; false when it must be a word by itself and is not.
  static bool Widen(std::string_view text, size_t done, Match& match);

  std::vector<AddedTokenSpec> tokens_;
  ByteTrie trie_;  // to indices of tokens_
  std::array<bool, 256> begins_ = {};
  int num_first_bytes_ = 0;
  char first_byte_ = 0;  // the last one set in begins_
  bool any_rstrip_ = false;
  bool any_begins_with_space_ = false;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_ADDED_TOKENS_H_
