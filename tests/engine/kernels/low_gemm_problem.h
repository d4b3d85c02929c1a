// One low-precision product with all its inputs, reproducible from its case; for the tests of its kernels.
#ifndef ATTENDANT_TESTS_ENGINE_KERNELS_LOW_GEMM_PROBLEM_H_
#define ATTENDANT_TESTS_ENGINE_KERNELS_LOW_GEMM_PROBLEM_H_

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <string>

#include "engine/kernels/kernels.h"
#include "tests/engine/kernels/guarded.h"

namespace attendant::kernels {

inline float FromBf16(uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); }
inline uint16_t ToBf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// The three formats. A is what the caller has: bf16 rows are converted by the table, if it wants that.
struct Int8 {
  using A = uint8_t;
  using B = int8_t;
  static constexpr bool kInteger = true;
  static constexpr int64_t kGroup = 4;
  static constexpr int64_t kDepths[] = {64, 128, 320};
  static auto Product(const KernelTable& table) { return table.gemm_int8; }
  static A RandomA(std::mt19937& random) { return static_cast<A>(random() % 256); }
  static B RandomB(std::mt19937& random) { return static_cast<B>(static_cast<int>(random() % 255) - 127); }
  static double ValueB(B b) { return b; }
};
struct Int16 {
  using A = int16_t;
  using B = int16_t;
  static constexpr bool kInteger = true;
  static constexpr int64_t kGroup = 2;
  static constexpr int64_t kDepths[] = {2, 4, 6, 62, 64};
  static auto Product(const KernelTable& table) { return table.gemm_int16; }
  static A RandomA(std::mt19937& random) { return static_cast<A>(static_cast<int>(random() % 32767) - 16383); }
  static B RandomB(std::mt19937& random) { return static_cast<B>(static_cast<int>(random() % 4095) - 2047); }
  static double ValueB(B b) { return b; }
};
struct Bf16 {
  using A = float;
  using B = uint16_t;
  static constexpr bool kInteger = false;
  static constexpr int64_t kGroup = 2;
  static constexpr int64_t kDepths[] = {32, 64, 352};
  static auto Product(const KernelTable& table) { return table.gemm_bf16; }
  static A RandomA(std::mt19937& random) { return std::normal_distribution<float>()(random); }
  static B RandomB(std::mt19937& random) { return ToBf16(std::normal_distribution<float>()(random)); }
  static double ValueB(B b) { return FromBf16(b); }
};

struct Case {
  int64_t m, n, k;
  bool bias = true, residual = true;
  Activation activation = Activation::kNone;
  int misalignment = 0;
  bool scaled = true;  // false, for int16 only: plain sums
};

inline std::string Describe(const KernelTable& table, const Case& c) {
  return std::string(table.name) + " m " + std::to_string(c.m) + " n " + std::to_string(c.n) + " k " +
         std::to_string(c.k) + " bias " + std::to_string(c.bias) + " residual " + std::to_string(c.residual) +
         " activation " + std::to_string(static_cast<int>(c.activation)) + " misaligned by " +
         std::to_string(c.misalignment) + (c.scaled ? "" : " unscaled");
}

// All inputs of one product, reproducible from its case. Rows of A and C are longer than the product needs.
template <class Format>
struct Problem {
  using A = typename Format::A;
  using B = typename Format::B;

  explicit Problem(const Case& c, uint8_t slack = 0xFF)
      : shape(c),
        lda(c.k + 3),
        ldc(c.n + 5),
        a(c.m * lda, c.misalignment, slack),
        b(c.n * c.k, c.misalignment, slack),
        a_scales(c.m, c.misalignment, slack),
        a_zeros(c.m, c.misalignment, slack),
        b_scales(c.n, c.misalignment, slack),
        b_sums(c.n, c.misalignment, slack),
        bias(c.n, c.misalignment, slack),
        residual(c.m * ldc, c.misalignment, slack) {
    std::mt19937 random(static_cast<unsigned>(c.m * 131 + c.n * 17 + c.k));
    for (int64_t row = 0; row < c.m; ++row) {
      for (int64_t i = 0; i < c.k; ++i) a[row * lda + i] = Format::RandomA(random);
      a_zeros[row] = static_cast<float>(random() % 256);
    }
    for (int64_t i = 0; i < b.size(); ++i) b[i] = Format::RandomB(random);
    a_scales.FillRandom(random, 0.01f);
    b_scales.FillRandom(random, 0.01f);
    bias.FillRandom(random);
    for (int64_t row = 0; row < c.m; ++row) {
      for (int64_t i = 0; i < c.n; ++i) residual[row * ldc + i] = std::normal_distribution<float>()(random);
    }
    SumColumns();
  }

  void SumColumns() {
    for (int64_t column = 0; column < shape.n; ++column) {
      double sum = 0;
      for (int64_t i = 0; i < shape.k; ++i) sum += Weight(column, i);
      b_sums[column] = static_cast<float>(sum);
    }
  }

  // By the definition of the layout.
  double Weight(int64_t column, int64_t i) const {
    constexpr int64_t kGroup = Format::kGroup;
    const int64_t panel = column / kPanelWidth * shape.k * kPanelWidth;
    return Format::ValueB(b[panel + (i / kGroup * kPanelWidth + column % kPanelWidth) * kGroup + i % kGroup]);
  }

  // The A that the table's product takes.
  LowGemmArgs ArgsFor(const KernelTable& table) {
    LowGemmArgs args = {.a = a.data(),
                        .lda = lda * static_cast<int64_t>(sizeof(A)),
                        .b = b.data(),
                        .a_scales = a_scales.data(),
                        .a_zeros = a_zeros.data(),
                        .b_scales = b_scales.data(),
                        .b_sums = b_sums.data(),
                        .bias = shape.bias ? bias.data() : nullptr,
                        .residual = shape.residual ? residual.data() : nullptr,
                        .c = nullptr,
                        .ldc = ldc,
                        .m = shape.m,
                        .n = shape.n,
                        .k = shape.k,
                        .activation = shape.activation};
    if (!shape.scaled) args.a_scales = args.b_scales = nullptr;
    if (!Converts(table)) return args;
    converted = GuardedArray<uint16_t>(shape.m * lda, shape.misalignment, 0xFF);
    for (int64_t i = 0; i < shape.m * lda; ++i) converted[i] = i % lda < shape.k ? ToBf16(static_cast<float>(a[i])) : 1;
    args.a = converted.data();
    args.lda = lda * static_cast<int64_t>(sizeof(uint16_t));
    return args;
  }

  static bool Converts(const KernelTable& table) { return !Format::kInteger && table.convert_bf16 != nullptr; }
  // bf16 sums depend on whether A was rounded; integer sums are exact everywhere.
  static bool HasTheScalarTwinsBits(const KernelTable& table) { return !Converts(table); }

  Guarded Run(const KernelTable& table) {
    Guarded c(shape.m * ldc, shape.misalignment);
    LowGemmArgs args = ArgsFor(table);
    args.c = c.data();
    Format::Product(table)(args);
    EXPECT_TRUE(c.SlackIsUntouched()) << Describe(table, shape);
    for (int64_t i = 0; i < c.size(); ++i) {
      EXPECT_EQ(c.IsUntouched(i), i % ldc >= shape.n) << Describe(table, shape) << ", at " << i;
    }
    return c;
  }

  Case shape;
  int64_t lda, ldc;
  GuardedArray<A> a;
  GuardedArray<B> b;
  Guarded a_scales, a_zeros, b_scales, b_sums, bias, residual;
  GuardedArray<uint16_t> converted{0, 0};
};

}  // namespace attendant::kernels

#endif  // ATTENDANT_TESTS_ENGINE_KERNELS_LOW_GEMM_PROBLEM_H_
