#include "engine/tokenizer/post_processor.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace attendant {
namespace {

constexpr size_t kUnlimited = std::numeric_limits<size_t>::max();

// How a limit is shared by two sequences, the package's "longest_first": the shorter one is kept whole if it takes less
// than half; else both get half, and an odd one goes to the longer.
std::pair<size_t, size_t> LongestFirst(size_t first, size_t second, size_t limit) {
  if (limit == kUnlimited || first + second <= limit) return {first, second};
  const bool swapped = first > second;
  size_t shorter = std::min(first, second);
  size_t longer = shorter > limit ? shorter : std::max(shorter, limit - shorter);
  if (shorter + longer > limit) {
    shorter = limit / 2;
    longer = shorter + limit % 2;
  }
  return swapped ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

}  // namespace

PostProcessor::PostProcessor(const PostProcessorSpec& spec)
    : trim_offsets_(spec.trim_offsets),
      add_prefix_space_(spec.add_prefix_space),
      single_(Make(spec.single)),
      pair_(Make(spec.pair)) {}

PostProcessor::Template PostProcessor::Make(const std::vector<TemplatePiece>& pieces) {
  Template out = {pieces, 0};
  for (const TemplatePiece& piece : pieces) out.num_special += static_cast<int32_t>(piece.ids.size());
  return out;
}

size_t PostProcessor::ContentLimit(bool pair, const EncodeOptions& options) const {
  if (options.max_tokens <= 0) return kUnlimited;
  return static_cast<size_t>(std::max(0, options.max_tokens - num_special_tokens(pair)));
}

PostProcessor::Range PostProcessor::Keep(size_t total, size_t count, TruncationSide side) {
  count = std::min(count, total);
  return side == TruncationSide::kEnd ? Range{0, count} : Range{total - count, total};
}

Encoding PostProcessor::Apply(const ContentView& first, const EncodeOptions& options) const {
  const Range kept[2] = {Keep(first.total, ContentLimit(false, options), options.side), {0, 0}};
  const ContentView* const sequences[2] = {&first, nullptr};
  Encoding out = Fill(single_, sequences, kept);
  out.tokens_dropped = static_cast<int32_t>(first.total - (kept[0].end - kept[0].begin));
  return out;
}

Encoding PostProcessor::ApplyPair(const ContentView& first, const ContentView& second,
                                  const EncodeOptions& options) const {
  const auto [keep_first, keep_second] = LongestFirst(first.total, second.total, ContentLimit(true, options));
  const Range kept[2] = {Keep(first.total, keep_first, options.side), Keep(second.total, keep_second, options.side)};
  const ContentView* const sequences[2] = {&first, &second};
  Encoding out = Fill(pair_, sequences, kept);
  out.tokens_dropped = static_cast<int32_t>(first.total + second.total - keep_first - keep_second);
  return out;
}

// offsets: of the kept tokens.
void PostProcessor::TrimOffsets(const ContentView& content, Range kept, std::span<Offset> offsets) const {
  for (const SpacesInToken& spaces : content.spaces) {
    if (spaces.token < kept.begin || spaces.token >= kept.end) continue;
    Offset& offset = offsets[spaces.token - kept.begin];
    const bool first = spaces.token == kept.begin || offset.start == 0;
    if (!(first && add_prefix_space_ && spaces.leading == 1)) {
      offset.start = std::min(offset.start + spaces.leading, offset.end);
    }
    if (offset.end >= spaces.trailing) offset.end = std::max(offset.end - spaces.trailing, offset.start);
  }
}

Encoding PostProcessor::Fill(const Template& tokens, const ContentView* const sequences[2], const Range kept[2]) const {
  Encoding out;
  const size_t size = tokens.num_special + (kept[0].end - kept[0].begin) + (kept[1].end - kept[1].begin);
  out.input_ids.reserve(size);
  out.token_type_ids.reserve(size);
  out.offsets.reserve(size);
  for (const TemplatePiece& piece : tokens.pieces) {
    if (piece.kind == TemplatePiece::Kind::kSpecial) {
      out.input_ids.insert(out.input_ids.end(), piece.ids.begin(), piece.ids.end());
      out.token_type_ids.resize(out.input_ids.size(), piece.type_id);
      out.offsets.resize(out.input_ids.size());
      continue;
    }
    const int which = piece.kind == TemplatePiece::Kind::kFirst ? 0 : 1;
    const ContentView& content = *sequences[which];
    const auto [begin, end] = kept[which];
    out.input_ids.insert(out.input_ids.end(), content.ids.begin() + begin, content.ids.begin() + end);
    if (content.type_ids.empty()) {
      out.token_type_ids.resize(out.input_ids.size(), piece.type_id);
    } else {
      out.token_type_ids.insert(out.token_type_ids.end(), content.type_ids.begin() + begin,
                                content.type_ids.begin() + end);
    }
    if (content.offsets.empty()) {
      out.offsets.resize(out.input_ids.size());
    } else {
      out.offsets.insert(out.offsets.end(), content.offsets.begin() + begin, content.offsets.begin() + end);
      if (trim_offsets_) TrimOffsets(content, kept[which], std::span(out.offsets).last(end - begin));
    }
  }
  return out;
}

}  // namespace attendant
