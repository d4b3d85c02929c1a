// All tokens by id: the model's vocabulary and the added tokens.
// Thread-safety: immutable. Owns its strings.
#ifndef ATTENDANT_ENGINE_TOKENIZER_VOCABULARY_H_
#define ATTENDANT_ENGINE_TOKENIZER_VOCABULARY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

class Vocabulary {
 public:
  // Takes the strings out of vocab.
  Vocabulary(std::vector<std::pair<std::string, int32_t>>& vocab, const std::vector<AddedTokenSpec>& added);

  int32_t size() const { return by_id_.empty() ? 0 : by_id_.back().id + 1; }  // largest id + 1
  std::string_view Token(int32_t id) const;                                   // "" when there is none
  bool IsSpecial(int32_t id) const;

 private:
  // A sorted array, not a table: an id may be large.
  struct Entry {
    int32_t id;
    bool special;
    std::string token;
  };
  const Entry* Find(int32_t id) const;

  std::vector<Entry> by_id_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_VOCABULARY_H_
