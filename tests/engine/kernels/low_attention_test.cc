// The kernels of int16 attention: packed keys and values, a softmax that ends in int16.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/kernels/dispatch.h"
#include "tests/engine/kernels/guarded.h"

namespace attendant::kernels {
namespace {

// A head's rows inside a longer row, as qkv holds them; NaN around.
struct HeadRows {
  HeadRows(int64_t num_tokens, int64_t num_features)
      : tokens(num_tokens),
        features(num_features),
        stride(num_features + 7),
        x((num_tokens - 1) * stride + num_features, static_cast<int>(num_tokens % 3)) {
    std::mt19937 random(static_cast<unsigned>(tokens * 100 + features));
    std::normal_distribution<float> normal;
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t f = 0; f < features; ++f) at(t, f) = normal(random) * static_cast<float>(1 + (t + f) % 4);
    }
  }
  float& at(int64_t t, int64_t f) { return x[t * stride + f]; }
  // 0 beyond the true ones.
  float padded(int64_t t, int64_t f) const { return t < tokens && f < features ? x[t * stride + f] : 0.0f; }

  int64_t tokens, features, stride;
  Guarded x;
};

enum class Kind { kKeys, kValues };

struct Packed {
  Packed(Kind kind, const KernelTable& table, const HeadRows& rows, float limit)
      : features_padded(PadToPanel(rows.features)),
        pairs_of_tokens((rows.tokens + 1) / 2),
        panels(kind == Kind::kKeys ? PadToPanel(rows.tokens) * features_padded : pairs_of_tokens * 2 * features_padded,
               1, 0x7F),
        scales(kind == Kind::kKeys ? 1 : features_padded, 2) {
    const PackInt16Args args = {.x = rows.x.data(),
                                .stride = rows.stride,
                                .tokens = rows.tokens,
                                .features = rows.features,
                                .features_padded = features_padded,
                                .panels = panels.data(),
                                .scales = scales.data(),
                                .limit = limit};
    kind == Kind::kKeys ? table.pack_int16_keys(args) : table.pack_int16_values(args);
    EXPECT_TRUE(panels.SlackIsUntouched()) << table.name;
    EXPECT_TRUE(scales.SlackIsUntouched()) << table.name;
  }
  int Key(int64_t t, int64_t f) const {
    return panels[t / 32 * 32 * features_padded + (f / 2 * 32 + t % 32) * 2 + f % 2];
  }
  int Value(int64_t t, int64_t f) const {
    return panels[f / 32 * 32 * pairs_of_tokens * 2 + (t / 2 * 32 + f % 32) * 2 + t % 2];
  }
  bool SameAs(const Packed& other) const { return SameBits(panels, other.panels) && SameBits(scales, other.scales); }

  int64_t features_padded, pairs_of_tokens;
  GuardedArray<int16_t> panels;
  Guarded scales;
};

void ExpectKeysOfTheirDefinition(const HeadRows& rows, const Packed& packed, int limit) {
  const double scale = packed.scales[0];
  ASSERT_TRUE(std::isfinite(scale));
  int largest = 0;
  for (int64_t t = 0; t < PadToPanel(rows.tokens); ++t) {
    for (int64_t f = 0; f < packed.features_padded; ++f) {
      const int q = packed.Key(t, f);
      ASSERT_NEAR(scale * q, rows.padded(t, f), scale * 0.501) << "token " << t << " feature " << f;
      if (rows.padded(t, f) == 0.0f) {
        ASSERT_EQ(q, 0);
      }
      largest = std::max(largest, std::abs(q));
    }
  }
  ASSERT_EQ(largest, limit);
}

void ExpectValuesOfTheirDefinition(const HeadRows& rows, const Packed& packed, int limit) {
  for (int64_t f = 0; f < packed.features_padded; ++f) {
    const double scale = packed.scales[f];
    ASSERT_TRUE(std::isfinite(scale));
    int largest = 0;
    for (int64_t t = 0; t < packed.pairs_of_tokens * 2; ++t) {
      const int q = packed.Value(t, f);
      ASSERT_NEAR(scale * q, rows.padded(t, f), scale * 0.501) << "token " << t << " feature " << f;
      largest = std::max(largest, std::abs(q));
    }
    ASSERT_EQ(largest, f < rows.features ? limit : 0) << "feature " << f;
  }
}

TEST(PackInt16, KeysAndValuesFollowTheirLayoutOnEveryInstructionSet) {
  const KernelTable& scalar = *attendant_kernels_scalar();
  for (int64_t tokens = 1; tokens <= 70; ++tokens) {
    for (const int64_t features : {8, 24, 32, 48, 64}) {
      SCOPED_TRACE(std::to_string(tokens) + " tokens, " + std::to_string(features) + " features");
      const HeadRows rows(tokens, features);
      const Packed keys(Kind::kKeys, scalar, rows, 2047), values(Kind::kValues, scalar, rows, 1023);
      ASSERT_NO_FATAL_FAILURE(ExpectKeysOfTheirDefinition(rows, keys, 2047));
      ASSERT_NO_FATAL_FAILURE(ExpectValuesOfTheirDefinition(rows, values, 1023));
      for (const KernelTable* table : AvailableKernels()) {
        ASSERT_TRUE(Packed(Kind::kKeys, *table, rows, 2047).SameAs(keys)) << table->name;
        ASSERT_TRUE(Packed(Kind::kValues, *table, rows, 1023).SameAs(values)) << table->name;
      }
    }
  }
}

TEST(PackInt16, TakesTheWidestHead) {
  const HeadRows rows(33, kMaxInt16HeadDim);
  for (const KernelTable* table : AvailableKernels()) {
    const Packed keys(Kind::kKeys, *table, rows, 2047), values(Kind::kValues, *table, rows, 1023);
    ASSERT_NO_FATAL_FAILURE(ExpectKeysOfTheirDefinition(rows, keys, 2047)) << table->name;
    ASSERT_NO_FATAL_FAILURE(ExpectValuesOfTheirDefinition(rows, values, 1023)) << table->name;
  }
}

TEST(PackInt16, KeepsItsRangeWhateverComesIn) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity, 3e38f, 1e-40f}) {
    for (const int64_t tokens : {1, 2, 17, 40}) {
      HeadRows rows(tokens, 24);
      rows.at(tokens / 2, 3) = value;
      rows.at(tokens - 1, 20) = -value;
      for (int64_t f = 0; f < 24; ++f) rows.at(0, f) = value;
      for (const Kind kind : {Kind::kKeys, Kind::kValues}) {
        const Packed expected(kind, *attendant_kernels_scalar(), rows, 1023);
        for (int64_t i = 0; i < expected.panels.size(); ++i) ASSERT_LE(std::abs(int{expected.panels[i]}), 1023);
        for (int64_t i = 0; i < expected.scales.size(); ++i) ASSERT_TRUE(std::isfinite(expected.scales[i]));
        for (const KernelTable* table : AvailableKernels()) {
          ASSERT_TRUE(Packed(kind, *table, rows, 1023).SameAs(expected)) << table->name << " " << value;
        }
      }
    }
  }
}

// Three rows of scores, each with a factor of its own, and what became of them.
struct Softmaxed {
  static constexpr int64_t kRows = 3, kStride = 80, kProbabilityStride = 96;
  static constexpr float kFactors[kRows] = {0.5f, 0.031f, 7.0f};
  static constexpr float kFactor = 0.7f;

  Softmaxed(const KernelTable& table, const Guarded& x, int64_t n, bool keep) : scores(x) {
    table.softmax_int16({.scores = scores.data(),
                         .stride = kStride,
                         .m = kRows,
                         .n = n,
                         .factors = kFactors,
                         .factor = kFactor,
                         .keep_exponentials = keep,
                         .inverse_sums = inverse_sums.data(),
                         .probabilities = probabilities.data(),
                         .probability_stride = kProbabilityStride});
    EXPECT_TRUE(scores.SlackIsUntouched() && probabilities.SlackIsUntouched() && inverse_sums.SlackIsUntouched())
        << table.name;
  }
  bool HasTheResultsOf(const Softmaxed& other) const {
    return SameBits(probabilities, other.probabilities) && SameBits(inverse_sums, other.inverse_sums);
  }

  Guarded scores;
  GuardedArray<int16_t> probabilities{kRows * kProbabilityStride, 1, 0x7F};
  Guarded inverse_sums{kRows, 2};
};

// Scores with NaN from n on, where nothing may be read.
Guarded RandomScores(int64_t n, float spread) {
  Guarded x(Softmaxed::kRows * Softmaxed::kStride, static_cast<int>(n % 3));
  std::mt19937 random(static_cast<unsigned>(n));
  std::normal_distribution<float> normal(0.0f, spread);
  for (int64_t row = 0; row < Softmaxed::kRows; ++row) {
    for (int64_t i = 0; i < n; ++i) x[row * Softmaxed::kStride + i] = normal(random);
  }
  return x;
}

// found: with its exponentials kept.
void ExpectSoftmaxOfItsDefinition(const Guarded& scores, int64_t n, const Softmaxed& found) {
  const int64_t end = (n + 15) / 16 * 16;
  for (int64_t row = 0; row < Softmaxed::kRows; ++row) {
    const float* out = found.scores.data() + row * Softmaxed::kStride;
    const int16_t* probabilities = found.probabilities.data() + row * Softmaxed::kProbabilityStride;
    std::vector<double> x;
    for (int64_t i = 0; i < n; ++i) {
      x.push_back(static_cast<double>(scores[row * Softmaxed::kStride + i]) * Softmaxed::kFactors[row] *
                  Softmaxed::kFactor);
    }
    const double max = *std::max_element(x.begin(), x.end());
    double exact_sum = 0, sum = 0;
    for (const double value : x) exact_sum += std::exp(value - max);
    for (int64_t i = 0; i < end; ++i) {
      ASSERT_EQ(probabilities[i], static_cast<int16_t>(std::rint(out[i]))) << "at " << i;
      if (i >= n) {
        ASSERT_EQ(out[i], 0.0f) << "at " << i;
        continue;
      }
      sum += out[i];
      const double value = x[static_cast<size_t>(i)], exact = std::exp(value - max);
      // The products with the factors are rounded, too: that is what the second term allows.
      const double bound = 8e-5 + (std::abs(max) + std::abs(value)) * 0x1p-22;
      ASSERT_NEAR(out[i] / kProbabilityOne, exact, exact * bound + 1e-33) << "at " << i;
      ASSERT_NEAR(out[i] * found.inverse_sums[row], exact / exact_sum, 2 * bound) << "at " << i;
    }
    for (int64_t i = end; i < Softmaxed::kStride; ++i) ASSERT_TRUE(std::isnan(out[i])) << "at " << i;
    ASSERT_NEAR(sum * found.inverse_sums[row], 1.0, 1e-6);
  }
}

TEST(SoftmaxInt16, AgreesWithDoublePrecisionAndHasTheBitsOfTheScalarTwin) {
  for (int64_t n = 1; n <= 70; ++n) {
    for (const float spread : {0.0f, 1.0f, 20.0f, 300.0f}) {
      SCOPED_TRACE(std::to_string(n) + " scores with a spread of " + std::to_string(spread));
      const Guarded x = RandomScores(n, spread);
      const Softmaxed expected(*attendant_kernels_scalar(), x, n, /*keep=*/true);
      ASSERT_NO_FATAL_FAILURE(ExpectSoftmaxOfItsDefinition(x, n, expected));
      for (const KernelTable* table : AvailableKernels()) {
        const Softmaxed kept(*table, x, n, /*keep=*/true);
        ASSERT_TRUE(kept.HasTheResultsOf(expected) && SameBits(kept.scores, expected.scores)) << table->name;
        ASSERT_TRUE(Softmaxed(*table, x, n, /*keep=*/false).HasTheResultsOf(expected)) << table->name;
      }
    }
  }
}

// 256 probabilities of kProbabilityOne times the largest value fit an int32 sum; so must those that rounding made.
TEST(SoftmaxInt16, TheLargestProbabilityLeavesRoomForASumOf256) {
  for (const float score : {-2000.0f, -33.3f, 0.0f, 77.7f, 1999.9f}) {
    Guarded x(Softmaxed::kRows * Softmaxed::kStride, 0);
    for (int64_t i = 0; i < x.size(); ++i) x[i] = score;
    for (const KernelTable* table : AvailableKernels()) {
      const Softmaxed found(*table, x, 64, /*keep=*/false);
      for (int64_t i = 0; i < 64; ++i) {
        const int64_t probability = found.probabilities[i + 2 * Softmaxed::kProbabilityStride];
        ASSERT_LE(probability * 1023 * 256, (int64_t{1} << 31) - 1) << table->name << " " << score;
      }
    }
  }
}

}  // namespace
}  // namespace attendant::kernels
