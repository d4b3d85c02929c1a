// From the last hidden states of one sequence to one vector. Source: sentence-transformers' Pooling module.
#ifndef ATTENDANT_ENGINE_MODEL_POOLING_H_
#define ATTENDANT_ENGINE_MODEL_POOLING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "engine/sequence.h"

namespace attendant {

struct HiddenRows {
  const float* data;  // [num_tokens, width]
  int64_t stride;
  int32_t num_tokens;
  int32_t width;
};

// out[modes.size() * width], the modes side by side. Tokens before pooling_start (a prompt) are left out of every mode;
// cls is then the first token after them.
//   max           maximum over tokens              mean          sum / n
//   mean_sqrt_len sum / sqrt(n)                    weighted_mean sum of (position + 1) x_position / sum of weights
//   last_token    the last token's
void Pool(const HiddenRows& rows, std::span<const PoolingMode> modes, int32_t pooling_start, float* out);

// x / max(|x|, 1e-12), as torch.nn.functional.normalize.
inline void NormalizeL2(float* x, int64_t n) {
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const float norm = std::max(static_cast<float>(std::sqrt(squares)), 1e-12f);
  for (int64_t i = 0; i < n; ++i) x[i] /= norm;
}

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_POOLING_H_
