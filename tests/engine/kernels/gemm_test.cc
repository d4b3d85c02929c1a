#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "engine/kernels/dispatch.h"
#include "engine/kernels/packing.h"
#include "tests/engine/kernels/guarded.h"

namespace attendant::kernels {
namespace {

struct Case {
  int64_t m, n, k;
  bool bias, residual;
  Activation activation;
  int misalignment;
};

// All inputs of one multiplication, reproducible from its case.
struct Problem {
  explicit Problem(const Case& c)
      : shape(c),
        a(c.m * (c.k + 3), c.misalignment),
        b(PadToPanel(c.n) * c.k, c.misalignment),
        bias(PadToPanel(c.n), c.misalignment),
        residual(c.m * PadToPanel(c.n), c.misalignment) {
    std::mt19937 random(static_cast<unsigned>(c.m * 131 + c.n * 17 + c.k));
    a.FillRandom(random);
    weight.resize(static_cast<size_t>(c.n * c.k));
    std::normal_distribution<float> normal;
    for (float& w : weight) w = normal(random);
    PackPanels({weight.data(), c.n, c.k, b.data()});
    bias.FillRandom(random);
    residual.FillRandom(random);
  }

  Guarded Run(const KernelTable& table) {
    Guarded c(shape.m * PadToPanel(shape.n), shape.misalignment);
    table.gemm({.a = a.data(),
                .lda = shape.k + 3,
                .b = b.data(),
                .bias = shape.bias ? bias.data() : nullptr,
                .residual = shape.residual ? residual.data() : nullptr,
                .c = c.data(),
                .ldc = PadToPanel(shape.n),
                .m = shape.m,
                .n = PadToPanel(shape.n),
                .k = shape.k,
                .activation = shape.activation});
    return c;
  }

  Case shape;
  std::vector<float> weight;
  Guarded a, b, bias, residual;
};

void ExpectSameBits(const Guarded& expected, const Guarded& found, const std::string& what) {
  ASSERT_EQ(std::memcmp(expected.data(), found.data(), static_cast<size_t>(expected.size()) * sizeof(float)), 0)
      << what;
  EXPECT_TRUE(found.SlackIsUntouched()) << what;
}

std::string Describe(const KernelTable& table, const Case& c) {
  return std::string(table.name) + " m " + std::to_string(c.m) + " n " + std::to_string(c.n) + " k " +
         std::to_string(c.k) + " activation " + std::to_string(static_cast<int>(c.activation)) + " misaligned by " +
         std::to_string(c.misalignment);
}

TEST(Gemm, EveryInstructionSetGivesTheBitsOfTheScalarTwin) {
  const KernelTable& scalar = *attendant_kernels_scalar();
  for (int64_t m = 1; m <= 25; ++m) {
    for (const int64_t n : {1, 16, 31, 32, 33, 65}) {
      for (const int64_t k : {1, 2, 7, 64}) {
        const Case c{m, n, k, (m + n) % 2 == 0, (m + k) % 3 == 0, Activation::kNone, static_cast<int>((m + n + k) % 3)};
        Problem problem(c);
        const Guarded expected = problem.Run(scalar);
        for (const KernelTable* table : AvailableKernels()) {
          ExpectSameBits(expected, problem.Run(*table), Describe(*table, c));
        }
      }
    }
  }
}

TEST(Gemm, EveryActivationGivesTheBitsOfTheScalarTwin) {
  for (const Activation activation : {Activation::kGelu, Activation::kGeluTanh, Activation::kQuickGelu,
                                      Activation::kRelu, Activation::kSilu, Activation::kSigmoid, Activation::kTanh}) {
    const Case c{13, 40, 9, true, true, activation, 1};
    Problem problem(c);
    const Guarded expected = problem.Run(*attendant_kernels_scalar());
    for (const KernelTable* table : AvailableKernels()) {
      ExpectSameBits(expected, problem.Run(*table), Describe(*table, c));
    }
  }
}

TEST(Gemm, AgreesWithTheDefinition) {
  const Case c{5, 37, 50, true, true, Activation::kNone, 0};
  Problem problem(c);
  for (const KernelTable* table : AvailableKernels()) {
    Guarded found = problem.Run(*table);
    for (int64_t row = 0; row < c.m; ++row) {
      for (int64_t column = 0; column < c.n; ++column) {
        double sum = problem.bias[column] + problem.residual[row * PadToPanel(c.n) + column];
        for (int64_t i = 0; i < c.k; ++i) {
          sum += static_cast<double>(problem.a[row * (c.k + 3) + i]) *
                 problem.weight[static_cast<size_t>(column * c.k + i)];
        }
        EXPECT_NEAR(found[row * PadToPanel(c.n) + column], sum, 1e-4) << table->name;
      }
    }
  }
}

TEST(Gemm, ARowDoesNotDependOnItsNeighbours) {
  const Case all{29, 64, 33, true, false, Activation::kGelu, 0};
  Problem problem(all);
  for (const KernelTable* table : AvailableKernels()) {
    Guarded together = problem.Run(*table);
    for (int64_t row = 0; row < all.m; ++row) {
      float alone[64];
      table->gemm({.a = problem.a.data() + row * (all.k + 3),
                   .lda = all.k + 3,
                   .b = problem.b.data(),
                   .bias = problem.bias.data(),
                   .residual = nullptr,
                   .c = alone,
                   .ldc = 64,
                   .m = 1,
                   .n = 64,
                   .k = all.k,
                   .activation = Activation::kGelu});
      ASSERT_EQ(std::memcmp(alone, together.data() + row * 64, sizeof(alone)), 0) << table->name << " row " << row;
    }
  }
}

TEST(Gemm, TheResidualMayBeTheResultItself) {
  const Case c{7, 32, 12, false, true, Activation::kNone, 0};
  Problem problem(c);
  for (const KernelTable* table : AvailableKernels()) {
    const Guarded expected = problem.Run(*table);
    Guarded in_place = problem.residual;
    table->gemm({.a = problem.a.data(),
                 .lda = c.k + 3,
                 .b = problem.b.data(),
                 .bias = nullptr,
                 .residual = in_place.data(),
                 .c = in_place.data(),
                 .ldc = 32,
                 .m = c.m,
                 .n = 32,
                 .k = c.k,
                 .activation = Activation::kNone});
    ExpectSameBits(expected, in_place, table->name);
  }
}

}  // namespace
}  // namespace attendant::kernels
