// All tokens by id and by string: the model's vocabulary and the added tokens.
// Thread-safety: immutable. Owns its strings.
#ifndef ATTENDANT_ENGINE_TOKENIZER_VOCABULARY_H_
#define ATTENDANT_ENGINE_TOKENIZER_VOCABULARY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

class Vocabulary {
 public:
  Vocabulary(const WordPieceSpec& model, const std::vector<AddedTokenSpec>& added);

  int32_t size() const { return by_id_.empty() ? 0 : by_id_.back().id + 1; }  // largest id + 1
  std::string_view Token(int32_t id) const;                                   // "" when there is none
  std::optional<int32_t> Id(std::string_view token) const;
  bool IsSpecial(int32_t id) const;

 private:
  // Sorted arrays, not tables: an id may be large, a string may be long, and neither is looked up often.
  struct Entry {
    int32_t id;
    bool special;
    std::string token;
  };
  const Entry* Find(int32_t id) const;

  std::vector<Entry> by_id_;
  std::vector<uint32_t> by_token_;  // indices of by_id_
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_VOCABULARY_H_
