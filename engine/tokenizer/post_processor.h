// Special tokens around one or two sequences, and truncation to a total length.
// Thread-safety: immutable.
#ifndef ATTENDANT_ENGINE_TOKENIZER_POST_PROCESSOR_H_
#define ATTENDANT_ENGINE_TOKENIZER_POST_PROCESSOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/tokenizer/token_buffer.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

// Content tokens of one sequence. Borrowed.
struct ContentView {
  std::span<const int32_t> ids;       // all of them, or as many from the front as any truncation could keep
  std::span<const Offset> offsets;    // as long as ids, or empty: all {0, 0}
  std::span<const int32_t> type_ids;  // as long as ids, or empty: as the template says
  std::span<const SpacesInToken> spaces;
  size_t total = 0;  // tokens of the sequence, kept in ids or not
};

class PostProcessor {
 public:
  explicit PostProcessor(const PostProcessorSpec& spec);

  int32_t num_special_tokens(bool pair) const { return pair ? pair_.num_special : single_.num_special; }

  // How many content tokens fit; unlimited (the largest size_t) when options sets no limit.
  size_t ContentLimit(bool pair, const EncodeOptions& options) const;

  Encoding Apply(const ContentView& first, const EncodeOptions& options) const;
  Encoding ApplyPair(const ContentView& first, const ContentView& second, const EncodeOptions& options) const;

 private:
  struct Template {
    std::vector<TemplatePiece> pieces;
    int32_t num_special = 0;
  };
  struct Range {
    size_t begin, end;
  };
  static Template Make(const std::vector<TemplatePiece>& pieces);
  static Range Keep(size_t total, size_t count, TruncationSide side);
  void TrimOffsets(const ContentView& content, Range kept, std::span<Offset> offsets) const;
  Encoding Fill(const Template& tokens, const ContentView* const sequences[2], const Range kept[2]) const;

  bool trim_offsets_;
  bool add_prefix_space_;
  Template single_;
  Template pair_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_POST_PROCESSOR_H_
