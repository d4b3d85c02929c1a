#include "engine/kernels/packing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/kernels/kernels.h"

namespace attendant::kernels {
namespace {

uint16_t ToBf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  if (std::isnan(x)) return 0x7FC0;
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// Ties to even. std::nearbyint would be a call for each of a model's weights.
float RoundToInteger(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23
  return (x + kShift) - kShift;
}

}  // namespace

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

void PackBf16(const PackBf16Args& args) {
  for (int64_t row = 0; row < PadToPanel(args.n); ++row) {
    uint16_t* out = args.panels + row / kPanelWidth * args.k_padded * kPanelWidth + row % kPanelWidth * 2;
    const float* in = row < args.n ? args.weight + row * args.k : nullptr;
    for (int64_t i = 0; i < args.k_padded; ++i) {
      out[i / 2 * kPanelWidth * 2 + i % 2] = in != nullptr && i < args.k ? ToBf16(in[i]) : 0;
    }
  }
}

void PackInt8(const PackInt8Args& args) {
  std::vector<float> divided(static_cast<size_t>(args.k_padded), 0.0f);
  for (int64_t row = 0; row < PadToPanel(args.n); ++row) {
    float largest = 0.0f;
    for (int64_t i = 0; i < args.k; ++i) {
      float& w = divided[static_cast<size_t>(i)];
      w = row < args.n ? args.weight[row * args.k + i] : 0.0f;
      if (args.factors != nullptr) w /= args.factors[i];
      largest = std::max(largest, std::fabs(w));
    }
    // Channels of dead neurons decay to denormals, whose inverse is no number.
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
    int8_t* out = args.panels + row / kPanelWidth * args.k_padded * kPanelWidth + row % kPanelWidth * 4;
    float sum = 0.0f;
    for (int64_t i = 0; i < args.k_padded; ++i) {
      const float rounded = RoundToInteger(divided[static_cast<size_t>(i)] * inverse);
      // A weight that is not a number shows in the channel's sum, hence in every product.
      out[i / 4 * kPanelWidth * 4 + i % 4] = std::isnan(rounded) ? 0 : static_cast<int8_t>(rounded);
      sum += rounded;
    }
    args.scales[row] = largest / 127.0f;
    args.sums[row] = sum;
  }
}

}  // namespace attendant::kernels
