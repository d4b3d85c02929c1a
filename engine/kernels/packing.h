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

}  // namespace attendant::kernels

#endif  // ATTENDANT_ENGINE_KERNELS_PACKING_H_
