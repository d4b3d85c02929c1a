// What the low precisions need beside their products: quantised rows, packed keys and values, a softmax in int16.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "engine/kernels/dispatch.h"
#include "tests/engine/kernels/guarded.h"

namespace attendant::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Rows of n floats, the stride 5 longer, NaN between them.
struct Rows {
  Rows(int64_t num_rows, int64_t length, float spread = 1.0f)
      : m(num_rows), n(length), stride(length + 5), x(num_rows * stride, static_cast<int>(length % 3)) {
    std::mt19937 random(static_cast<unsigned>(n));
    std::normal_distribution<float> normal(0.1f, spread);
    for (int64_t row = 0; row < m; ++row) {
      for (int64_t i = 0; i < n; ++i) at(row, i) = normal(random);
    }
  }
  float& at(int64_t row, int64_t i) { return x[row * stride + i]; }
  float at(int64_t row, int64_t i) const { return x[row * stride + i]; }

  int64_t m, n, stride;
  Guarded x;
};

// Rows in a lower precision.
template <typename T>
struct Quantised {
  Quantised(const Rows& rows, int64_t padded)
      : stride(padded + 3), out(rows.m * stride, 1, 0x7F), scales(rows.m, 1), zeros(rows.m, 2), n_padded(padded) {}

  void ExpectNothingElseWasWritten(const char* table) const {
    EXPECT_TRUE(out.SlackIsUntouched() && scales.SlackIsUntouched() && zeros.SlackIsUntouched()) << table;
    for (int64_t i = 0; i < out.size(); ++i) {
      if (i % stride >= n_padded) {
        ASSERT_TRUE(out.IsUntouched(i)) << table << ", at " << i;
      }
    }
  }
  bool SameAs(const Quantised& other) const {
    return SameBits(out, other.out) && SameBits(scales, other.scales) && SameBits(zeros, other.zeros);
  }
  T at(int64_t row, int64_t i) const { return out[row * stride + i]; }

  int64_t stride;
  GuardedArray<T> out;
  Guarded scales, zeros;
  int64_t n_padded;
};

struct Options {
  float limit = 0;
  const float* factors = nullptr;
  Activation activation = Activation::kNone;
};

template <typename T>
Quantised<T> Quantise(void (*kernel)(const QuantizeArgs& args), const Rows& rows, int64_t n_padded,
                      const Options& options = {}) {
  Quantised<T> q(rows, n_padded);
  Guarded x = rows.x;  // an activation is applied in place
  kernel({.x = x.data(),
          .stride = rows.stride,
          .factors = options.factors,
          .activation = options.activation,
          .m = rows.m,
          .n = rows.n,
          .out = q.out.data(),
          .out_stride = q.stride * static_cast<int64_t>(sizeof(T)),
          .n_padded = n_padded,
          .scales = q.scales.data(),
          .zeros = q.zeros.data(),
          .limit = options.limit});
  EXPECT_TRUE(x.SlackIsUntouched());
  if (options.activation == Activation::kNone) {
    EXPECT_TRUE(SameBits(x, rows.x));
  }
  return q;
}

// What the bytes stand for.
double Wanted(const Rows& rows, int64_t row, int64_t i, const Options& options) {
  double x = rows.at(row, i);
  if (options.activation == Activation::kGelu) x = 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  if (options.activation == Activation::kSilu) x = x / (1 + std::exp(-x));
  if (options.activation == Activation::kRelu) x = std::max(x, 0.0);
  return options.factors != nullptr ? x * options.factors[i] : x;
}

void ExpectUint8OfItsDefinition(const Rows& rows, const Quantised<uint8_t>& q, const Options& options) {
  for (int64_t row = 0; row < rows.m; ++row) {
    double low = 0, high = 0;
    for (int64_t i = 0; i < rows.n; ++i) {
      low = std::min(low, Wanted(rows, row, i, options));
      high = std::max(high, Wanted(rows, row, i, options));
    }
    const double scale = q.scales[row], zero = q.zeros[row];
    // A step is the range in 255 parts, or very nearly so.
    ASSERT_NEAR(scale, std::max(high - low, 1e-30) / 255, 1e-3 * scale);
    ASSERT_TRUE(zero >= 0 && zero <= 255 && zero == std::rint(zero)) << zero;
    // The cheap gelu of the low precisions is good to 3e-5.
    const double cheap = options.activation == Activation::kGelu ? 3e-5 * 10 : 0;
    for (int64_t i = 0; i < q.n_padded; ++i) {
      const double wanted = i < rows.n ? Wanted(rows, row, i, options) : zero * -scale;
      ASSERT_NEAR(scale * (q.at(row, i) - zero), wanted, scale * (0.5 + 1e-4) + cheap) << "row " << row << " at " << i;
    }
  }
}

// For every table: the bits of the scalar twin, and what the definition says.
void ExpectUint8(const Rows& rows, int64_t n_padded, const Options& options) {
  const auto expected = Quantise<uint8_t>(attendant_kernels_scalar()->quantize_uint8, rows, n_padded, options);
  ASSERT_NO_FATAL_FAILURE(ExpectUint8OfItsDefinition(rows, expected, options));
  for (int64_t row = 0; row < rows.m; ++row) {
    for (int64_t i = rows.n; i < n_padded; ++i) ASSERT_EQ(expected.at(row, i), 0);
  }
  for (const KernelTable* table : AvailableKernels()) {
    const auto found = Quantise<uint8_t>(table->quantize_uint8, rows, n_padded, options);
    found.ExpectNothingElseWasWritten(table->name);
    ASSERT_TRUE(found.SameAs(expected)) << table->name << " n " << rows.n;
  }
}

TEST(QuantizeUint8, IsWithinHalfAStepAndHasTheBitsOfTheScalarTwin) {
  for (const int64_t n : {16, 48, 64, 384, 400}) {
    Rows rows(5, n);
    for (int64_t i = 0; i < n; ++i) {
      rows.at(1, i) = 0;
      rows.at(2, i) = 3.7f;
      rows.at(3, i) = -std::abs(rows.at(3, i)) - 1;
      rows.at(4, i) = std::abs(rows.at(4, i)) + 1;
    }
    Guarded factors(n, 2);
    for (int64_t i = 0; i < n; ++i) factors[i] = 0.25f + static_cast<float>(i % 9);
    for (const int64_t padding : {0, 16, 48}) {
      for (const Activation activation : {Activation::kNone, Activation::kGelu, Activation::kSilu, Activation::kRelu}) {
        SCOPED_TRACE("n " + std::to_string(n) + " activation " + std::to_string(static_cast<int>(activation)));
        ASSERT_NO_FATAL_FAILURE(ExpectUint8(rows, n + padding, {.activation = activation}));
        ASSERT_NO_FATAL_FAILURE(ExpectUint8(rows, n + padding, {.factors = factors.data(), .activation = activation}));
      }
    }
  }
}

TEST(QuantizeUint8, ZeroStaysExactlyZero) {
  Rows rows(1, 64);
  for (int64_t i = 0; i < 64; i += 3) rows.at(0, i) = 0;
  for (const KernelTable* table : AvailableKernels()) {
    const auto q = Quantise<uint8_t>(table->quantize_uint8, rows, 64);
    for (int64_t i = 0; i < 64; i += 3) EXPECT_EQ(q.at(0, i), q.zeros[0]) << table->name;
  }
}

// Values that are not finite in every place, alone and together, and very large and small ones.
std::vector<Rows> HostileRows(int64_t n) {
  std::vector<Rows> all;
  for (const float value : {kNan, kInfinity, -kInfinity, 3e38f, -3e38f, 1e-40f, 0.0f}) {
    Rows rows(20, n);
    for (int64_t row = 0; row < 18; ++row) {
      if (row < n) rows.at(row, row % n) = value;
    }
    for (int64_t i = 0; i < n; ++i) {
      rows.at(18, i) = value;
      rows.at(19, i) = i % 2 == 0 ? value : -value;
    }
    rows.at(17, n / 2) = -kInfinity;
    all.push_back(rows);
  }
  return all;
}

// A row that bytes cannot hold has a scale that is not a number, so that it shows; any other row is a row.
TEST(QuantizeUint8, KeepsItsRangeWhateverComesIn) {
  for (const Activation activation : {Activation::kNone, Activation::kGelu, Activation::kRelu, Activation::kSilu}) {
    for (const Rows& rows : HostileRows(48)) {
      const Options options{.activation = activation};
      const auto expected = Quantise<uint8_t>(attendant_kernels_scalar()->quantize_uint8, rows, 64, options);
      for (int64_t row = 0; row < rows.m; ++row) {
        const float zero = expected.zeros[row];
        EXPECT_TRUE(zero >= 0 && zero <= 255 && zero == std::rint(zero)) << zero;
        if (activation != Activation::kNone) continue;
        float largest = 0;
        for (int64_t i = 0; i < 48; ++i) largest = std::max(largest, std::abs(rows.at(row, i)));
        EXPECT_EQ(std::isnan(expected.scales[row]), largest > 1e30f) << "row " << row;
        EXPECT_TRUE(std::isnan(expected.scales[row]) || expected.scales[row] > 0) << "row " << row;
      }
      for (const KernelTable* table : AvailableKernels()) {
        ASSERT_TRUE(Quantise<uint8_t>(table->quantize_uint8, rows, 64, options).SameAs(expected)) << table->name;
      }
    }
  }
}

TEST(QuantizeInt16, IsWithinHalfAStepAndHasTheBitsOfTheScalarTwin) {
  for (int64_t n = 1; n <= 70; ++n) {
    Rows rows(3, n);
    for (int64_t i = 0; i < n; ++i) rows.at(1, i) = 0;
    for (const int64_t padding : {0, 16, 48}) {
      const int64_t n_padded = (n + 15) / 16 * 16 + padding;
      for (const float limit : {16383.0f, 2047.0f, 1023.0f}) {
        const auto expected =
            Quantise<int16_t>(attendant_kernels_scalar()->quantize_int16, rows, n_padded, {.limit = limit});
        for (int64_t row = 0; row < 3; ++row) {
          const double scale = expected.scales[row];
          int largest = 0;
          for (int64_t i = 0; i < n_padded; ++i) {
            const double x = i < n ? rows.at(row, i) : 0.0;
            ASSERT_NEAR(scale * expected.at(row, i), x, scale * (0.5 + 0.01)) << "n " << n << " at " << i;
            largest = std::max(largest, std::abs(static_cast<int>(expected.at(row, i))));
          }
          EXPECT_EQ(largest, row == 1 ? 0 : static_cast<int>(limit));
        }
        for (const KernelTable* table : AvailableKernels()) {
          const auto found = Quantise<int16_t>(table->quantize_int16, rows, n_padded, {.limit = limit});
          found.ExpectNothingElseWasWritten(table->name);
          ASSERT_TRUE(found.SameAs(expected)) << table->name << " n " << n;
        }
      }
    }
  }
}

TEST(QuantizeInt16, KeepsItsRangeWhateverComesIn) {
  for (const int64_t n : {16, 41}) {
    for (const Rows& rows : HostileRows(n)) {
      const auto expected = Quantise<int16_t>(attendant_kernels_scalar()->quantize_int16, rows, 48, {.limit = 2047.0f});
      for (int64_t row = 0; row < rows.m; ++row) {
        EXPECT_TRUE(std::isfinite(expected.scales[row]) && expected.scales[row] > 0) << expected.scales[row];
        for (int64_t i = 0; i < 48; ++i) EXPECT_LE(std::abs(static_cast<int>(expected.at(row, i))), 2047);
      }
      for (const KernelTable* table : AvailableKernels()) {
        const auto found = Quantise<int16_t>(table->quantize_int16, rows, 48, {.limit = 2047.0f});
        ASSERT_TRUE(found.SameAs(expected)) << table->name << " n " << n;
      }
    }
  }
}

uint16_t ToBf16(float x) {
  if (std::isnan(x)) return 0x7FC0;
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t below = bits & 0xFFFF, odd = bits >> 16 & 1;
  return static_cast<uint16_t>((bits >> 16) + (below > 0x8000 || (below == 0x8000 && odd == 1) ? 1 : 0));
}

TEST(ConvertBf16, RoundsToNearestWithTiesToEven) {
  constexpr uint32_t kBits[] = {0x3F800000, 0x3F807FFF, 0x3F808000, 0x3F808001, 0x3F818000, 0xBF818000, 0xBF808000,
                                0x00000000, 0x80000000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x00018000, 0x00008001,
                                0x7FC00000, 0x7F800001, 0xFFC12345, 0x00000001, 0x007FFFFF, 0x80008000};
  for (const KernelTable* table : AvailableKernels()) {
    if (table->convert_bf16 == nullptr) continue;
    for (const int64_t n : {16, 48, 384}) {
      for (const int64_t padding : {0, 16}) {
        Rows rows(3, n);
        for (int64_t i = 0; i < n; ++i) {
          rows.at(1, i) = std::bit_cast<float>(kBits[static_cast<size_t>(i) % std::size(kBits)]);
          rows.at(2, i) *= 1e-39f;
        }
        const auto found = Quantise<uint16_t>(table->convert_bf16, rows, n + padding);
        EXPECT_TRUE(found.out.SlackIsUntouched()) << table->name;
        for (int64_t row = 0; row < 3; ++row) {
          for (int64_t i = 0; i < n + padding; ++i) {
            ASSERT_EQ(found.at(row, i), i < n ? ToBf16(rows.at(row, i)) : 0)
                << table->name << " " << std::hex << std::bit_cast<uint32_t>(rows.at(row, i));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace attendant::kernels
