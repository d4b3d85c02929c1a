// The low-precision matrix products: int8, int16 and bf16, every table against the scalar twin and the definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "engine/kernels/dispatch.h"
#include "tests/engine/kernels/guarded.h"
#include "tests/engine/kernels/low_gemm_problem.h"

namespace attendant::kernels {
namespace {

// C before the activation in double precision, and how far rounding may lead from it.
struct Exact {
  double value, tolerance;
};
template <class Format>
Exact Define(const Problem<Format>& p, const KernelTable& table, int64_t row, int64_t column) {
  double sum = 0, magnitude = 0;
  for (int64_t i = 0; i < p.shape.k; ++i) {
    const auto a = p.a[row * p.lda + i];
    const double x = p.Converts(table) ? FromBf16(ToBf16(static_cast<float>(a))) : static_cast<double>(a);
    const double product = x * p.Weight(column, i);
    sum += product;
    magnitude += std::abs(product);
  }
  double rounding = static_cast<double>(p.shape.k) * magnitude;  // k additions, each rounded
  if constexpr (Format::kInteger) {
    const double scale = p.shape.scaled ? static_cast<double>(p.a_scales[row]) * p.b_scales[column] : 1.0;
    const double zero = std::is_same_v<Format, Int8> ? static_cast<double>(p.a_zeros[row]) * p.b_sums[column] : 0.0;
    rounding = 4 * (std::abs(sum) + std::abs(zero)) * std::abs(scale);
    sum = (sum - zero) * scale;
  }
  const double bias = p.shape.bias ? p.bias[column] : 0.0;
  const double residual = p.shape.residual ? p.residual[row * p.ldc + column] : 0.0;
  rounding += 2 * (std::abs(sum) + std::abs(bias) + std::abs(residual));
  return {sum + bias + residual, rounding * 0x1p-24};
}

template <class Format>
class LowGemm : public testing::Test {};
struct FormatNames {
  template <class Format>
  static std::string GetName(int) {
    return std::is_same_v<Format, Int8> ? "Int8" : std::is_same_v<Format, Int16> ? "Int16" : "Bf16";
  }
};
using Formats = testing::Types<Int8, Int16, Bf16>;
TYPED_TEST_SUITE(LowGemm, Formats, FormatNames);

// Twice, with different bytes around every input.
template <class Format>
void ExpectTheScalarTwinsBits(const Case& c) {
  Problem<Format> problem(c), other_slack(c, 0x7F);
  const Guarded expected = problem.Run(*attendant_kernels_scalar());
  ASSERT_TRUE(SameBits(expected, other_slack.Run(*attendant_kernels_scalar())));
  for (const KernelTable* table : AvailableKernels()) {
    const Guarded found = problem.Run(*table);
    ASSERT_TRUE(SameBits(found, other_slack.Run(*table))) << Describe(*table, c);
    if (problem.HasTheScalarTwinsBits(*table)) {
      ASSERT_TRUE(SameBits(found, expected)) << Describe(*table, c);
    }
  }
}

TYPED_TEST(LowGemm, EveryInstructionSetGivesTheBitsOfTheScalarTwin) {
  for (int64_t m = 0; m <= 25; ++m) {
    for (const int64_t n : {32, 64, 96}) {
      for (const int64_t k : TypeParam::kDepths) {
        ExpectTheScalarTwinsBits<TypeParam>({.m = m,
                                             .n = n,
                                             .k = k,
                                             .bias = (m + n / 32) % 2 == 0,
                                             .residual = (m + k) % 3 == 0,
                                             .misalignment = static_cast<int>((m + n / 32 + k) % 3)});
      }
    }
  }
}

TEST(LowGemmInt16, SumsMayStayUnscaled) {
  for (int64_t m = 1; m <= 25; ++m) {
    for (const bool with : {false, true}) {
      const Case c{.m = m, .n = 64, .k = 62, .bias = with, .residual = with, .misalignment = 1, .scaled = false};
      ExpectTheScalarTwinsBits<Int16>(c);
      Problem<Int16> problem(c);
      const Guarded found = problem.Run(*attendant_kernels_scalar());
      for (int64_t column = 0; column < c.n; ++column) {
        const Exact exact = Define(problem, *attendant_kernels_scalar(), m - 1, column);
        ASSERT_NEAR(found[(m - 1) * problem.ldc + column], exact.value, exact.tolerance) << "m " << m;
      }
    }
  }
}

TYPED_TEST(LowGemm, EveryActivationGivesTheBitsOfTheScalarTwin) {
  for (const Activation activation : {Activation::kGelu, Activation::kGeluTanh, Activation::kQuickGelu,
                                      Activation::kRelu, Activation::kSilu, Activation::kSigmoid, Activation::kTanh}) {
    for (const bool residual : {false, true}) {
      ExpectTheScalarTwinsBits<TypeParam>(
          {.m = 13, .n = 64, .k = 64, .residual = residual, .activation = activation, .misalignment = 1});
    }
  }
}

TYPED_TEST(LowGemm, AgreesWithTheDefinition) {
  for (const int64_t k : TypeParam::kDepths) {
    for (const bool with : {false, true}) {
      const Case c{.m = 13, .n = 64, .k = k, .bias = with, .residual = with};
      Problem<TypeParam> problem(c);
      for (const KernelTable* table : AvailableKernels()) {
        const Guarded found = problem.Run(*table);
        for (int64_t row = 0; row < c.m; ++row) {
          for (int64_t column = 0; column < c.n; ++column) {
            const Exact exact = Define(problem, *table, row, column);
            ASSERT_NEAR(found[row * problem.ldc + column], exact.value, exact.tolerance) << Describe(*table, c);
          }
        }
      }
    }
  }
}

// The promise behind batch invariance, and behind a team that shares columns.
TYPED_TEST(LowGemm, NeitherRowsNorPanelsDependOnTheirNeighbours) {
  const Case c{.m = 29, .n = 96, .k = 64, .activation = Activation::kGelu};
  Problem<TypeParam> problem(c);
  for (const KernelTable* table : AvailableKernels()) {
    const Guarded together = problem.Run(*table);
    const LowGemmArgs all = problem.ArgsFor(*table);
    for (int64_t row = 0; row < c.m; ++row) {
      for (int64_t column = 0; column < c.n; column += kPanelWidth) {
        float alone[kPanelWidth];
        LowGemmArgs args = all;
        args.a = static_cast<const char*>(all.a) + row * all.lda;
        args.a_scales += row;
        args.a_zeros += row;
        args.b = problem.b.data() + column * c.k;
        args.b_scales += column;
        args.b_sums += column;
        args.bias += column;
        args.residual += row * problem.ldc + column;
        args.c = alone;
        args.ldc = kPanelWidth;
        args.m = 1;
        args.n = kPanelWidth;
        TypeParam::Product (*table)(args);
        ASSERT_EQ(std::memcmp(alone, together.data() + row * problem.ldc + column, sizeof(alone)), 0)
            << table->name << " row " << row << " column " << column;
      }
    }
  }
}

TYPED_TEST(LowGemm, TheResidualMayBeTheResultItself) {
  for (const Activation activation : {Activation::kNone, Activation::kGelu}) {
    const Case c{.m = 27, .n = 64, .k = 64, .bias = false, .activation = activation};
    Problem<TypeParam> problem(c);
    for (const KernelTable* table : AvailableKernels()) {
      const Guarded expected = problem.Run(*table);
      Guarded in_place = problem.residual;
      LowGemmArgs args = problem.ArgsFor(*table);
      args.residual = args.c = in_place.data();
      TypeParam::Product (*table)(args);
      EXPECT_TRUE(SameBits(in_place, expected)) << Describe(*table, c);
      EXPECT_TRUE(in_place.SlackIsUntouched()) << Describe(*table, c);
    }
  }
}

// A product of zeros, so that the bias reaches the activation as it is.
TYPED_TEST(LowGemm, ActivationsAreThoseOfTheTableButForACheaperGelu) {
  const Case c{.m = 1, .n = 32, .k = 64, .residual = false};
  Problem<TypeParam> problem(c);
  for (int64_t i = 0; i < problem.b.size(); ++i) problem.b[i] = 0;
  problem.SumColumns();
  for (const KernelTable* table : AvailableKernels()) {
    for (float start = -24.0f; start < 24.0f; start += 32 * 0.003f) {
      for (int i = 0; i < 32; ++i) problem.bias[i] = start + static_cast<float>(i) * 0.003f;
      problem.shape.activation = Activation::kGelu;
      const Guarded gelu = problem.Run(*table);
      for (int i = 0; i < 32; ++i) {
        const double x = problem.bias[i];
        ASSERT_NEAR(gelu[i], 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))), 3e-5) << table->name << " at " << x;
      }
      for (const Activation other : {Activation::kGeluTanh, Activation::kQuickGelu, Activation::kRelu,
                                     Activation::kSilu, Activation::kSigmoid, Activation::kTanh}) {
        problem.shape.activation = other;
        const Guarded found = problem.Run(*table);
        Guarded expected = problem.bias;
        table->activate(expected.data(), 32, other);
        ASSERT_EQ(std::memcmp(found.data(), expected.data(), 32 * sizeof(float)), 0) << Describe(*table, problem.shape);
      }
    }
  }
}

TYPED_TEST(LowGemm, ANumberThatIsNotOneStaysInItsRowAndColumn) {
  const Case c{.m = 14, .n = 32, .k = 64, .activation = Activation::kGelu};
  Problem<TypeParam> problem(c);
  problem.residual[5 * problem.ldc + 7] = NAN;
  for (const KernelTable* table : AvailableKernels()) {
    const Guarded found = problem.Run(*table);
    for (int64_t row = 0; row < c.m; ++row) {
      for (int64_t column = 0; column < c.n; ++column) {
        EXPECT_EQ(std::isnan(found[row * problem.ldc + column]), row == 5 && column == 7) << table->name;
      }
    }
  }
}

// Every element at the end of its range. Signs: of B's columns, or alternating down a column.
template <class Format>
void ExpectExactSums(int64_t k, typename Format::A a, typename Format::B b) {
  Problem<Format> problem({.m = 13, .n = 32, .k = k, .bias = false, .residual = false});
  std::fill_n(problem.a.data(), problem.a.size(), a);
  for (int64_t i = 0; i < problem.b.size(); ++i) {
    const int64_t element = i % Format::kGroup, column = i / Format::kGroup % kPanelWidth;
    const bool negative = column % 4 == 3 ? element % 2 == 1 : column % 2 == 1;
    problem.b[i] = static_cast<typename Format::B>(negative ? -b : b);
  }
  for (int64_t i = 0; i < problem.a_scales.size(); ++i) problem.a_scales[i] = 1, problem.a_zeros[i] = 0;
  std::fill_n(problem.b_scales.data(), problem.b_scales.size(), 1.0f);
  problem.SumColumns();
  for (const KernelTable* table : AvailableKernels()) {
    const Guarded found = problem.Run(*table);
    for (int64_t column = 0; column < 32; ++column) {
      int64_t sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += int64_t{a} * static_cast<int64_t>(problem.Weight(column, i));
      ASSERT_LT(std::abs(sum), int64_t{1} << 31);
      for (const int64_t row : {0, 12}) {
        ASSERT_EQ(found[row * problem.ldc + column], static_cast<float>(sum))
            << table->name << " k " << k << " column " << column;
      }
    }
  }
}

TEST(LowGemmExtremes, NothingSaturatesOrOverflows) {
  ExpectExactSums<Int8>(64, 255, 127);
  ExpectExactSums<Int8>(3072, 255, 127);
  ExpectExactSums<Int16>(2, 32767, 32767);
  ExpectExactSums<Int16>(2, -32768, 32767);
  ExpectExactSums<Int16>(64, 16383, 2047);
  ExpectExactSums<Int16>(64, -16383, 2047);
  ExpectExactSums<Int16>(256, 8192, 1023);
}

// vdpbf16ps as the manual has it: the upper product first, each added with one rounding, denormals taken as zero.
TEST(LowGemmBf16Unit, FollowsItsScalarModelOnIntel) {
  if (!__builtin_cpu_is("intel")) GTEST_SKIP() << "the order within the instruction is Intel's";
  const auto flushed = [](float x) { return std::abs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; };
  for (const KernelTable* table : AvailableKernels()) {
    if (table->gemm_bf16 != attendant_gemm_bf16_avx512bf16) continue;
    Problem<Bf16> problem({.m = 13, .n = 64, .k = 96, .bias = false, .residual = false});
    for (int64_t i = 0; i < problem.a.size(); i += 7) problem.a[i] *= 1e-30f;
    for (int64_t i = 0; i < problem.b.size(); i += 5) problem.b[i] = ToBf16(FromBf16(problem.b[i]) * 1e-9f);
    problem.b[40] = 3;  // a denormal
    const Guarded found = problem.Run(*table);
    for (int64_t row = 0; row < 13; ++row) {
      for (int64_t column = 0; column < 64; ++column) {
        float sum = 0;
        for (int64_t i = 0; i < 96; ++i) {
          const int64_t at = i ^ 1;
          const float a = FromBf16(ToBf16(problem.a[row * problem.lda + at]));
          sum = flushed(std::fma(flushed(a), flushed(static_cast<float>(problem.Weight(column, at))), sum));
        }
        ASSERT_EQ(found[row * problem.ldc + column], sum) << "row " << row << " column " << column;
      }
    }
  }
}

}  // namespace
}  // namespace attendant::kernels
