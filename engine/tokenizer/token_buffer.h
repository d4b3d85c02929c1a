// The tokens of one text, before special tokens are put around them.
// Thread-safety: plain data of one call.
#ifndef ATTENDANT_ENGINE_TOKENIZER_TOKEN_BUFFER_H_
#define ATTENDANT_ENGINE_TOKENIZER_TOKEN_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace attendant {

struct SpacesInToken {
  size_t token;  // index
  int32_t leading, trailing;
};

class TokenBuffer {
 public:
  // Tokens beyond the limit are counted and not kept: a text may be much longer than what a model reads of it.
  explicit TokenBuffer(size_t limit) : limit_(limit) {}

  void Reserve(size_t count) {
    count = count < limit_ ? count : limit_;
    ids_.reserve(count);
    offsets_.reserve(count);
  }

  void Add(int32_t id, uint32_t start, uint32_t end) {
    ++total_;
    if (ids_.size() >= limit_) return;
    ids_.push_back(id);
    offsets_.push_back({static_cast<int32_t>(start), static_cast<int32_t>(end)});
  }

  // An added token that has taken in white space around it.
  void AddSpaced(int32_t id, uint32_t start, uint32_t end, uint32_t leading_spaces, uint32_t trailing_spaces) {
    if (ids_.size() < limit_ && (leading_spaces != 0 || trailing_spaces != 0)) {
      spaces_.push_back({ids_.size(), static_cast<int32_t>(leading_spaces), static_cast<int32_t>(trailing_spaces)});
    }
    Add(id, start, end);
  }

  static constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

  size_t total() const { return total_; }
  const std::vector<int32_t>& ids() const { return ids_; }
  const std::vector<Offset>& offsets() const { return offsets_; }
  const std::vector<SpacesInToken>& spaces() const { return spaces_; }

 private:
  size_t limit_;
  size_t total_ = 0;
  std::vector<int32_t> ids_;
  std::vector<Offset> offsets_;
  std::vector<SpacesInToken> spaces_;  // ascending
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_TOKEN_BUFFER_H_
