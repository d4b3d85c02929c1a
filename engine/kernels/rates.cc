#include "engine/kernels/rates.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace attendant::kernels {
namespace {

// Two register tiles of rows, some panels of columns.
constexpr int64_t kM = 24, kN = 256, kK = 256;

template <typename Call>
double Rate(Call call) {
  double best = 1.0;
  for (int i = 0; i < 12; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return 2.0 * kM * kN * kK / std::max(best, 1e-9) / 1e9;
}

// Zeros, large enough for every precision.
struct Problem {
  std::vector<float> a = std::vector<float>(kM * kK);
  std::vector<float> b = std::vector<float>(kN * kK);
  std::vector<float> c = std::vector<float>(kM * kN);
  std::vector<float> scales = std::vector<float>(kN);

  LowGemmArgs Low(int64_t row_bytes) {
    return {.a = a.data(),
            .lda = row_bytes,
            .b = b.data(),
            .a_scales = scales.data(),
            .a_zeros = scales.data(),
            .b_scales = scales.data(),
            .b_sums = scales.data(),
            .bias = nullptr,
            .residual = nullptr,
            .c = c.data(),
            .ldc = kN,
            .m = kM,
            .n = kN,
            .k = kK,
            .activation = Activation::kNone};
  }
};

double Bf16Rate(const KernelTable& table, Problem& problem) {
  const LowGemmArgs args = problem.Low(table.convert_bf16 != nullptr ? kK * 2 : kK * 4);
  return Rate([&] { table.gemm_bf16(args); });
}

}  // namespace

double MeasureBf16Rate(const KernelTable& table) {
  Problem problem;
  return Bf16Rate(table, problem);
}

Rates MeasureRates(const KernelTable& table) {
  Problem problem;
  Rates rates;
  rates.fp32 = Rate([&] {
    table.gemm({.a = problem.a.data(),
                .lda = kK,
                .b = problem.b.data(),
                .bias = nullptr,
                .residual = nullptr,
                .c = problem.c.data(),
                .ldc = kN,
                .m = kM,
                .n = kN,
                .k = kK,
                .activation = Activation::kNone});
  });
  rates.bf16 = Bf16Rate(table, problem);
  const LowGemmArgs int8 = problem.Low(kK);
  rates.int8 = Rate([&] { table.gemm_int8(int8); });
  return rates;
}

}  // namespace attendant::kernels
