#include "engine/text_pieces.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/model/pooling.h"

namespace attendant {
namespace {

// Special tokens come from no text.
bool IsOfText(const Offset& offset, int32_t prompt_chars) { return offset.end > std::max(offset.start, prompt_chars); }

InputError SpanError(size_t index, const std::string& message) {
  return {absl::InvalidArgumentError(message), absl::StrCat("spans[", index, "]")};
}

}  // namespace

std::optional<int32_t> DroppedAt(const TokenizedItem& item, Truncation truncation) {
  if (item.tokens_dropped == 0) return std::nullopt;
  const auto of_text = [&item](const Offset& offset) { return IsOfText(offset, item.prompt_chars); };
  if (truncation == Truncation::kStart) {
    const auto first = std::find_if(item.offsets.begin(), item.offsets.end(), of_text);
    if (first == item.offsets.end()) return std::nullopt;
    return std::max(0, first->start - item.prompt_chars);
  }
  const auto last = std::find_if(item.offsets.rbegin(), item.offsets.rend(), of_text);
  // Not even the prompt may have fitted.
  return last == item.offsets.rend() ? 0 : last->end - item.prompt_chars;
}

std::variant<std::vector<TokenRange>, InputError> SpanTokens(const TokenizedItem& item, std::span<const Offset> spans,
                                                             Truncation truncation) {
  const std::optional<int32_t> dropped_at = DroppedAt(item, truncation);
  std::vector<TokenRange> ranges;
  for (size_t i = 0; i < spans.size(); ++i) {
    const auto [start, end] = spans[i];
    if (start < 0 || end <= start) return SpanError(i, absl::StrCat(start, " to ", end, " holds no characters"));
    const bool cut =
        dropped_at.has_value() && (truncation == Truncation::kStart ? start < *dropped_at : end > *dropped_at);
    if (cut) {
      return SpanError(
          i, absl::StrCat(start, " to ", end, " is not all there: the text is too long and was cut at ", *dropped_at));
    }
    TokenRange range;
    for (size_t token = 0; token < item.offsets.size(); ++token) {
      const Offset& offset = item.offsets[token];
      const bool inside = IsOfText(offset, item.prompt_chars) && int64_t{offset.start} - item.prompt_chars < end &&
                          int64_t{offset.end} - item.prompt_chars > start;
      if (!inside) continue;
      if (range.end == 0) range.begin = static_cast<int32_t>(token);
      range.end = static_cast<int32_t>(token) + 1;
    }
    if (range.end == 0) {
      return SpanError(i, absl::StrCat("no token comes from characters ", start, " to ", end, " of the text"));
    }
    ranges.push_back(range);
  }
  return ranges;
}

std::vector<float> MeanOfWindows(std::span<const std::vector<float>> vectors, std::span<const int32_t> weights) {
  if (vectors.size() == 1) return vectors[0];
  std::vector<double> sums(vectors[0].size());
  double total = 0;
  for (size_t window = 0; window < vectors.size(); ++window) {
    const double weight = weights[window];
    total += weight;
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += weight * double{vectors[window][i]};
  }
  std::vector<float> mean;
  mean.reserve(sums.size());
  for (const double sum : sums) mean.push_back(static_cast<float>(sum / total));
  return mean;
}

void NormalizeVector(std::vector<float>* vector) { NormalizeL2(vector->data(), static_cast<int64_t>(vector->size())); }

}  // namespace attendant
