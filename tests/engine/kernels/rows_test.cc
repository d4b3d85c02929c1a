// Kernels that work on rows: layer norm, softmax, activations, transpose.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "engine/kernels/dispatch.h"
#include "tests/engine/kernels/guarded.h"

namespace attendant::kernels {
namespace {

// Runs `kernel` for every count 1..33 and misalignment on the scalar table and on every other; all bits must agree.
void ForEachCountAndMisalignment(const std::function<void(const KernelTable&, Guarded&, int64_t)>& kernel) {
  for (int64_t n = 1; n <= 33; ++n) {
    for (int misalignment = 0; misalignment < 3; ++misalignment) {
      const auto run = [&](const KernelTable& table) {
        Guarded x(3 * 48, misalignment);
        std::mt19937 random(static_cast<unsigned>(n));
        x.FillRandom(random, 3.0f);
        kernel(table, x, n);
        EXPECT_TRUE(x.SlackIsUntouched()) << table.name << " n " << n;
        return x;
      };
      const Guarded expected = run(*attendant_kernels_scalar());
      for (const KernelTable* table : AvailableKernels()) {
        const Guarded found = run(*table);
        ASSERT_EQ(std::memcmp(expected.data(), found.data(), 3 * 48 * sizeof(float)), 0) << table->name << " n " << n;
      }
    }
  }
}

TEST(LayerNorm, EveryInstructionSetGivesTheBitsOfTheScalarTwin) {
  ForEachCountAndMisalignment([](const KernelTable& table, Guarded& x, int64_t n) {
    Guarded gamma(n, 1), beta(n, 2);
    std::mt19937 random(7);
    gamma.FillRandom(random);
    beta.FillRandom(random);
    table.layer_norm({x.data(), 48, gamma.data(), beta.data(), 3, n, 1e-5f});
  });
}

TEST(LayerNorm, HasZeroMeanAndUnitVarianceAndLeavesThePaddingAlone) {
  for (const KernelTable* table : AvailableKernels()) {
    for (const int64_t n : {5, 16, 45}) {
      Guarded x(48, 0), ones(n, 0), zeros(n, 0);
      std::mt19937 random(3);
      x.FillRandom(random, 5.0f);
      const float after = n < 48 ? x[n] : 0;
      for (int64_t i = 0; i < n; ++i) ones[i] = 1, zeros[i] = 0;
      table->layer_norm({x.data(), 48, ones.data(), zeros.data(), 1, n, 0.0f});
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < n; ++i) sum += x[i], squares += static_cast<double>(x[i]) * x[i];
      EXPECT_NEAR(sum / static_cast<double>(n), 0, 1e-6);
      EXPECT_NEAR(squares / static_cast<double>(n), 1, 1e-5);
      if (n < 48) {
        EXPECT_EQ(x[n], after);
      }
    }
  }
}

TEST(Softmax, EveryInstructionSetGivesTheBitsOfTheScalarTwin) {
  ForEachCountAndMisalignment([](const KernelTable& table, Guarded& x, int64_t n) {
    float inverse[3];
    table.softmax(x.data(), 48, 3, n, inverse);
    for (int r = 0; r < 3; ++r) x[r * 48 + 47] = inverse[r];
  });
}

TEST(Softmax, SumsToOneAndSurvivesLargeScores) {
  for (const KernelTable* table : AvailableKernels()) {
    Guarded x(48, 1);
    for (int64_t i = 0; i < 48; ++i) x[i] = i == 7 ? 1e4f : (i == 8 ? -1e4f : 9.9e3f);
    float inverse = 0;
    table->softmax(x.data(), 48, 1, 20, &inverse);
    double sum = 0;
    for (int64_t i = 0; i < 20; ++i) sum += static_cast<double>(x[i]) * inverse;
    EXPECT_NEAR(sum, 1.0, 1e-6);
    EXPECT_NEAR(x[7] * inverse, 1.0, 1e-6);
    for (int64_t i = 20; i < 32; ++i) EXPECT_EQ(x[i], 0.0f) << "padding after the last score";
  }
}

TEST(Activate, AgreesWithDoublePrecision) {
  struct Function {
    Activation activation;
    double (*exact)(double);
  };
  const Function functions[] = {
      {Activation::kGelu, [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {Activation::kGeluTanh,
       [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }},
      {Activation::kQuickGelu, [](double x) { return x / (1 + std::exp(-1.702 * x)); }},
      {Activation::kRelu, [](double x) { return std::max(x, 0.0); }},
      {Activation::kSilu, [](double x) { return x / (1 + std::exp(-x)); }},
      {Activation::kSigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {Activation::kTanh, [](double x) { return std::tanh(x); }}};
  for (const KernelTable* table : AvailableKernels()) {
    for (const Function& function : functions) {
      for (double start = -20; start < 20; start += 0.016) {
        float x[16];
        for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(start + i * 0.001);
        float y[16];
        std::memcpy(y, x, sizeof(y));
        table->activate(y, 16, function.activation);
        for (int i = 0; i < 16; ++i) {
          const double exact = function.exact(x[i]);
          ASSERT_NEAR(y[i], exact, 4e-7 + 2e-7 * std::abs(x[i]))
              << table->name << " activation " << static_cast<int>(function.activation) << " at " << x[i];
        }
      }
    }
  }
}

TEST(Activate, KeepsNotANumber) {
  for (const KernelTable* table : AvailableKernels()) {
    for (const Activation activation : {Activation::kGelu, Activation::kSilu, Activation::kGeluTanh}) {
      float x[16];
      for (float& v : x) v = std::numeric_limits<float>::quiet_NaN();
      table->activate(x, 16, activation);
      EXPECT_TRUE(std::isnan(x[3])) << table->name;
    }
  }
}

TEST(Transpose, MovesEveryElementAndFillsThePanelWithZeros) {
  constexpr int64_t kSourceStride = 75, kTargetStride = kPanelWidth + 3;
  for (const KernelTable* table : AvailableKernels()) {
    for (int64_t rows = 0; rows <= kPanelWidth; ++rows) {
      for (int64_t columns = 1; columns <= 70; ++columns) {
        Guarded source(kPanelWidth * kSourceStride, 1);
        Guarded target((columns - 1) * kTargetStride + kPanelWidth, 2);
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t c = 0; c < columns; ++c) source[r * kSourceStride + c] = static_cast<float>(r * 100 + c);
        }
        table->transpose({.source = source.data(),
                          .source_stride = kSourceStride,
                          .rows = rows,
                          .columns = columns,
                          .transposed = target.data(),
                          .transposed_stride = kTargetStride});
        for (int64_t c = 0; c < columns; ++c) {
          for (int64_t r = 0; r < kPanelWidth; ++r) {
            const float expected = r < rows ? static_cast<float>(r * 100 + c) : 0.0f;
            ASSERT_EQ(target[c * kTargetStride + r], expected)
                << table->name << ", " << rows << " rows, " << columns << " columns";
          }
        }
        ASSERT_TRUE(target.SlackIsUntouched()) << table->name << ", " << rows << " rows, " << columns << " columns";
        // Between the panel's columns and the next row's, too.
        for (int64_t c = 0; c + 1 < columns; ++c) ASSERT_TRUE(std::isnan(target[c * kTargetStride + kPanelWidth]));
      }
    }
  }
}

}  // namespace
}  // namespace attendant::kernels
