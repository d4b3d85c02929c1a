#include "engine/kernels/packing.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "engine/kernels/kernels.h"
#include "tests/engine/kernels/guarded.h"

namespace attendant::kernels {
namespace {

// Shapes that fill panels and lines and such that do not.
struct Shape {
  int64_t n, k;
};
constexpr Shape kShapes[] = {{1, 1}, {31, 7}, {32, 64}, {33, 65}, {70, 100}, {96, 128}};

int64_t RoundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

Guarded RandomWeight(const Shape& shape) {
  Guarded weight(shape.n * shape.k, 1);
  std::mt19937 random(static_cast<unsigned>(shape.n * 1000 + shape.k));
  weight.FillRandom(random);
  return weight;
}

TEST(PackPanels, PutsEveryWeightInItsPanel) {
  for (const Shape& shape : kShapes) {
    const Guarded weight = RandomWeight(shape);
    Guarded panels(PadToPanel(shape.n) * shape.k, 1);
    PackPanels({.weight = weight.data(), .n = shape.n, .k = shape.k, .panels = panels.data()});
    EXPECT_TRUE(panels.SlackIsUntouched());
    for (int64_t column = 0; column < PadToPanel(shape.n); ++column) {
      for (int64_t i = 0; i < shape.k; ++i) {
        const float found = panels[(column / 32 * shape.k + i) * 32 + column % 32];
        ASSERT_EQ(found, column < shape.n ? weight[column * shape.k + i] : 0.0f) << column << ", " << i;
      }
    }
  }
}

TEST(PackBf16, PutsEveryRoundedWeightInItsPanel) {
  for (const Shape& shape : kShapes) {
    for (const int64_t k_padded : {RoundUp(shape.k, 32), RoundUp(shape.k, 32) + 32}) {
      const Guarded weight = RandomWeight(shape);
      GuardedArray<uint16_t> panels(PadToPanel(shape.n) * k_padded, 1, 0x7F);
      PackBf16({.weight = weight.data(), .n = shape.n, .k = shape.k, .k_padded = k_padded, .panels = panels.data()});
      EXPECT_TRUE(panels.SlackIsUntouched());
      for (int64_t column = 0; column < PadToPanel(shape.n); ++column) {
        for (int64_t i = 0; i < k_padded; ++i) {
          const uint16_t bits = panels[column / 32 * 32 * k_padded + (i / 2 * 32 + column % 32) * 2 + i % 2];
          if (column >= shape.n || i >= shape.k) {
            ASSERT_EQ(bits, 0) << column << ", " << i;
            continue;
          }
          const float exact = weight[column * shape.k + i];
          // bf16 has 8 significant bits.
          ASSERT_NEAR(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16), exact, std::abs(exact) * 0x1p-8);
        }
      }
    }
  }
}

TEST(PackBf16, RoundsToNearestWithTiesToEven) {
  struct Pair {
    uint32_t fp32;
    uint16_t bf16;
  };
  constexpr Pair kPairs[] = {{0x3F800000, 0x3F80}, {0x3F807FFF, 0x3F80}, {0x3F808000, 0x3F80}, {0x3F808001, 0x3F81},
                             {0x3F818000, 0x3F82}, {0xBF818000, 0xBF82}, {0x00000000, 0x0000}, {0x80000000, 0x8000},
                             {0x7F7FFFFF, 0x7F80}, {0x7F800000, 0x7F80}, {0xFF800000, 0xFF80}, {0x00018000, 0x0002},
                             {0x7FC00000, 0x7FC0}, {0x7F800001, 0x7FC0}};
  for (const Pair& pair : kPairs) {
    const float weight = std::bit_cast<float>(pair.fp32);
    std::vector<uint16_t> panels(32 * 32);
    PackBf16({.weight = &weight, .n = 1, .k = 1, .k_padded = 32, .panels = panels.data()});
    EXPECT_EQ(panels[0], pair.bf16) << std::hex << pair.fp32;
  }
}

// What PackInt8 made of a weight.
struct Packed8 {
  Packed8(const Shape& s, int64_t depth, const Guarded& weight, const float* factors)
      : k_padded(depth),
        panels(PadToPanel(s.n) * depth, 1, 0x7F),
        scales(PadToPanel(s.n), 1),
        sums(PadToPanel(s.n), 1) {
    PackInt8({.weight = weight.data(),
              .factors = factors,
              .n = s.n,
              .k = s.k,
              .k_padded = depth,
              .panels = panels.data(),
              .scales = scales.data(),
              .sums = sums.data()});
    EXPECT_TRUE(panels.SlackIsUntouched());
    EXPECT_TRUE(scales.SlackIsUntouched());
    EXPECT_TRUE(sums.SlackIsUntouched());
  }
  int At(int64_t column, int64_t i) const {
    return panels[column / 32 * 32 * k_padded + (i / 4 * 32 + column % 32) * 4 + i % 4];
  }

  int64_t k_padded;
  GuardedArray<int8_t> panels;
  Guarded scales, sums;
};

void ExpectInt8OfItsDefinition(const Shape& shape, int64_t k_padded, bool with_factors) {
  Guarded weight = RandomWeight(shape);
  const int64_t zero_channel = shape.n / 2;
  for (int64_t i = 0; i < shape.k; ++i) weight[zero_channel * shape.k + i] = 0;
  Guarded factors(shape.k, 2);
  for (int64_t i = 0; i < shape.k; ++i) factors[i] = 0.25f + static_cast<float>(i % 9);
  const Packed8 packed(shape, k_padded, weight, with_factors ? factors.data() : nullptr);
  for (int64_t column = 0; column < PadToPanel(shape.n); ++column) {
    const bool empty = column >= shape.n || column == zero_channel;
    const float scale = packed.scales[column];
    int sum = 0, largest = 0;
    for (int64_t i = 0; i < k_padded; ++i) {
      const int q = packed.At(column, i);
      sum += q;
      largest = std::max(largest, std::abs(q));
      if (empty || i >= shape.k) {
        ASSERT_EQ(q, 0) << column << ", " << i;
        continue;
      }
      const double exact = weight[column * shape.k + i] / (with_factors ? static_cast<double>(factors[i]) : 1.0);
      ASSERT_NEAR(scale * static_cast<double>(q), exact, scale * (0.5 + 1e-4)) << column << ", " << i;
    }
    EXPECT_EQ(packed.sums[column], static_cast<float>(sum));
    EXPECT_EQ(largest, empty ? 0 : 127) << "the largest of a channel takes the whole range";
    EXPECT_TRUE(empty ? scale == 0.0f : scale > 0.0f) << scale;
  }
}

TEST(PackInt8, QuantisesEveryChannelOnItsOwn) {
  for (const Shape& shape : kShapes) {
    for (const bool with_factors : {false, true}) {
      ExpectInt8OfItsDefinition(shape, RoundUp(shape.k, 64), with_factors);
      ExpectInt8OfItsDefinition(shape, RoundUp(shape.k, 64) + 64, with_factors);
    }
  }
}

// A weight file may hold anything: what becomes of it are integers in range and finite scales and sums.
TEST(PackInt8, TinyAndHugeWeightsStayInRange) {
  for (const float magnitude : {1e-42f, 1e-38f, 1e-30f, 1e-20f, 1e30f, 3e38f}) {
    Guarded weight(8, 0);
    for (int64_t i = 0; i < 8; ++i) weight[i] = magnitude * (static_cast<float>(i - 4) / 4);
    const Packed8 packed({1, 8}, 64, weight, nullptr);
    EXPECT_TRUE(std::isfinite(packed.scales[0]) && std::isfinite(packed.sums[0])) << magnitude;
    for (int64_t i = 0; i < 8; ++i) {
      // Channels too small for any activation to make them matter count as zero.
      EXPECT_NEAR(packed.scales[0] * static_cast<double>(packed.At(0, i)), weight[i], magnitude * 0.6 / 127 + 1e-30)
          << magnitude << ", " << i;
    }
  }
}

TEST(PackInt8, AWeightThatIsNotANumberShowsInItsChannelOnly) {
  for (const float value : {NAN, INFINITY, -INFINITY}) {
    Guarded weight = RandomWeight({3, 70});
    weight[70 + 33] = value;
    const Packed8 packed({3, 70}, 128, weight, nullptr);
    for (int64_t column = 0; column < 3; ++column) {
      EXPECT_EQ(std::isnan(packed.sums[column]), column == 1);
      EXPECT_TRUE(column == 1 || std::isfinite(packed.scales[column]));
    }
  }
}

}  // namespace
}  // namespace attendant::kernels
