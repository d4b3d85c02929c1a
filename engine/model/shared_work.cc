#include "engine/model/shared_work.h"

#include <algorithm>

namespace attendant {
namespace {

// Parts per product: enough that a helper who comes late still finds some, few enough that claiming them costs nothing.
constexpr int64_t kGemmParts = 12;
// Rows worth another thread's attention: some microseconds of work.
constexpr int64_t kLayerNormRows = 24;

}  // namespace

void SharedGemm(const kernels::KernelTable& kernels, const kernels::GemmArgs& args, Team* team) {
  if (team == nullptr) return kernels.gemm(args);
  const int64_t panels = args.n / kernels::kPanelWidth;
  const int64_t parts = std::min(panels, kGemmParts);
  team->ParallelFor(static_cast<int>(parts), [&](int part, int) {
    const int64_t first = panels * part / parts * kernels::kPanelWidth;
    const int64_t end = panels * (part + 1) / parts * kernels::kPanelWidth;
    kernels::GemmArgs share = args;
    share.b += first * args.k;
    if (share.bias != nullptr) share.bias += first;
    if (share.residual != nullptr) share.residual += first;
    share.c += first;
    share.n = end - first;
    kernels.gemm(share);
  });
}

void SharedLayerNorm(const kernels::KernelTable& kernels, const kernels::LayerNormArgs& args, Team* team) {
  const int64_t parts = (args.m + kLayerNormRows - 1) / kLayerNormRows;
  if (team == nullptr || parts < 2) return kernels.layer_norm(args);
  team->ParallelFor(static_cast<int>(parts), [&](int part, int) {
    const int64_t first = part * kLayerNormRows;
    kernels::LayerNormArgs share = args;
    share.x += first * args.stride;
    share.m = std::min(kLayerNormRows, args.m - first);
    kernels.layer_norm(share);
  });
}

}  // namespace attendant
