// Pieces of texts: which tokens lie in a span, where a text was cut, and one vector from several windows of it.
//
// Positions are Unicode code points of the caller's text; where a model lower-cases first, of the lower-cased text,
// whose letters are as many but for a handful of capitals (U+0130). Thread-safety: free functions without state.
#ifndef ATTENDANT_ENGINE_TEXT_PIECES_H_
#define ATTENDANT_ENGINE_TEXT_PIECES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "engine/embedder.h"

namespace attendant {

// For each span the tokens that lie in it, even if only in part. item: of a text, cut on this side if it was cut. An
// error names the span in its field, "spans[2]".
std::variant<std::vector<TokenRange>, InputError> SpanTokens(const TokenizedItem& item, std::span<const Offset> spans,
                                                             Truncation truncation);

// From (kStart: up to) which code point a text was dropped; none: nothing was, or no token of it was kept.
std::optional<int32_t> DroppedAt(const TokenizedItem& item, Truncation truncation);

// sum of weight_i x vector_i / sum of weights, in double precision, in the order of the windows. At least one window,
// of positive weight each; a single one is returned as it is.
std::vector<float> MeanOfWindows(std::span<const std::vector<float>> vectors, std::span<const int32_t> weights);

// To length 1, as the engine normalises.
void NormalizeVector(std::vector<float>* vector);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TEXT_PIECES_H_
