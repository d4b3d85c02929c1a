#include "engine/model/pooling.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attendant {
namespace {

// sum of weight(token) * row(token) over [begin, num_tokens), divided by `divisor`.
template <typename Weight>
void WeightedSum(const HiddenRows& rows, int32_t begin, Weight weight, float divisor, float* out) {
  std::fill(out, out + rows.width, 0.0f);
  for (int32_t token = begin; token < rows.num_tokens; ++token) {
    const float* row = rows.data + token * rows.stride;
    const float w = weight(token);
    for (int32_t i = 0; i < rows.width; ++i) out[i] += row[i] * w;
  }
  for (int32_t i = 0; i < rows.width; ++i) out[i] /= divisor;
}

void PoolOne(const HiddenRows& rows, PoolingMode mode, int32_t begin, float* out) {
  const auto one = [](int32_t) { return 1.0f; };
  const auto position = [](int32_t token) { return static_cast<float>(token + 1); };
  // The floor is sentence-transformers' own: nothing to average gives zeros, not NaN.
  const float count = std::max(static_cast<float>(rows.num_tokens - begin), 1e-9f);
  switch (mode) {
    case PoolingMode::kCls: {
      const float* row = rows.data + (begin < rows.num_tokens ? begin : 0) * rows.stride;
      std::copy(row, row + rows.width, out);
      return;
    }
    case PoolingMode::kMax:
      std::fill(out, out + rows.width, -std::numeric_limits<float>::infinity());
      for (int32_t token = begin; token < rows.num_tokens; ++token) {
        const float* row = rows.data + token * rows.stride;
        for (int32_t i = 0; i < rows.width; ++i) out[i] = std::isnan(row[i]) ? row[i] : std::max(out[i], row[i]);
      }
      return;
    case PoolingMode::kMean:
      return WeightedSum(rows, begin, one, count, out);
    case PoolingMode::kMeanSqrtLen:
      return WeightedSum(rows, begin, one, std::sqrt(count), out);
    case PoolingMode::kWeightedMean: {
      float sum = 0;
      for (int32_t token = begin; token < rows.num_tokens; ++token) sum += position(token);
      return WeightedSum(rows, begin, position, std::max(sum, 1e-9f), out);
    }
    case PoolingMode::kLastToken: {
      const float* row = rows.data + (rows.num_tokens - 1) * rows.stride;
      std::copy(row, row + rows.width, out);
      return;
    }
  }
}

}  // namespace

void Pool(const HiddenRows& rows, std::span<const PoolingMode> modes, int32_t pooling_start, float* out) {
  const int32_t begin = std::min(pooling_start, rows.num_tokens);
  for (const PoolingMode mode : modes) {
    PoolOne(rows, mode, begin, out);
    out += rows.width;
  }
}

}  // namespace attendant
