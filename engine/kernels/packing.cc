#include "engine/kernels/packing.h"

#include "engine/kernels/kernels.h"

namespace attendant::kernels {

void PackPanels(const PackArgs& args) {
  for (int64_t panel = 0; panel < PadToPanel(args.n) / kPanelWidth; ++panel) {
    float* out = args.panels + panel * args.k * kPanelWidth;
    for (int64_t column = 0; column < kPanelWidth; ++column) {
      const int64_t row = panel * kPanelWidth + column;
      const float* in = row < args.n ? args.weight + row * args.k : nullptr;
      for (int64_t i = 0; i < args.k; ++i) out[i * kPanelWidth + column] = in ? in[i] : 0.0f;
    }
  }
}

}  // namespace attendant::kernels
