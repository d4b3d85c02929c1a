// Weights into the panels that the GEMM kernels read. Portable code; runs once, at load.
#ifndef ATTENDANT_ENGINE_KERNELS_PACKING_H_
#define ATTENDANT_ENGINE_KERNELS_PACKING_H_

#include <cstdint>

namespace attendant::kernels {

// panels[n_padded / 32][k][32], n_padded = PadToPanel(n), from weight[n][k] (a linear layer's [out, in]). Columns from
// n on are zero.
struct PackArgs {
  const float* weight;  // [n, k]
  int64_t n;
  int64_t k;
  float* panels;
};
void PackPanels(const PackArgs& args);

// panels[n_padded / 32][k_padded / 2][32][2], rounded to bf16 (nearest, ties to even); zero beyond n and k.
struct PackBf16Args {
  const float* weight;  // [n, k]
  int64_t n;
  int64_t k;
  int64_t k_padded;  // a multiple of 32
  uint16_t* panels;
};
void PackBf16(const PackBf16Args& args);

// panels[n_padded / 32][k_padded / 4][32][4]: weight[c][i] / factors[i] = scales[c] * panel element, of which sums[c]
// is the sum over i. Symmetric, per output channel: the largest of a channel becomes 127. Zero beyond n and k.
struct PackInt8Args {
  const float* weight;   // [n, k]
  const float* factors;  // [k] or null: what activations are multiplied by before they are quantised
  int64_t n;
  int64_t k;
  int64_t k_padded;  // a multiple of 64
  int8_t* panels;
  float* scales;  // [n_padded]
  float* sums;    // [n_padded]
};
void PackInt8(const PackInt8Args& args);

}  // namespace attendant::kernels

#endif  // ATTENDANT_ENGINE_KERNELS_PACKING_H_
