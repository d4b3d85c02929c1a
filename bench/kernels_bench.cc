// GEMM throughput of every instruction set this CPU has, beside the peak of its multiply-add units, on one thread.
// Each line: instruction set, m, n, k, GFLOP/s, fraction of the peak measured just before.
#include <immintrin.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "engine/kernels/dispatch.h"

namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Independent chains of multiply-adds in registers: nothing but the units' own speed.
__attribute__((target("avx512f"))) double PeakAvx512() {
  __m512 sums[24];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.5f);
  constexpr long kRounds = 1'000'000;
  const auto start = Clock::now();
  for (long i = 0; i < kRounds; ++i) {
#pragma GCC unroll 24
    for (auto& sum : sums) sum = _mm512_fmadd_ps(sum, a, b);
  }
  const double seconds = Seconds(start);
  volatile float keep = 0;
  for (auto& sum : sums) keep = keep + _mm512_reduce_add_ps(sum);
  return kRounds * 24.0 * 32 / seconds / 1e9;
}

__attribute__((target("avx2,fma"))) double PeakAvx2() {
  __m256 sums[12];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.5f);
  constexpr long kRounds = 2'000'000;
  const auto start = Clock::now();
  for (long i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, a, b);
  }
  const double seconds = Seconds(start);
  volatile float keep = 0;
  for (auto& sum : sums) keep = keep + _mm256_cvtss_f32(sum);
  return kRounds * 12.0 * 16 / seconds / 1e9;
}

double Peak(const char* isa) {
  if (std::strcmp(isa, "avx512") == 0) return PeakAvx512();
  if (std::strcmp(isa, "avx2") == 0) return PeakAvx2();
  return 0;
}

double Measure(const attendant::kernels::KernelTable& table, int64_t m, int64_t n, int64_t k) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> a(static_cast<size_t>(m * k)), b(static_cast<size_t>(n * k)), c(static_cast<size_t>(m * n));
  for (float& x : a) x = normal(random);
  for (float& x : b) x = normal(random);
  const attendant::kernels::GemmArgs args{.a = a.data(),
                                          .lda = k,
                                          .b = b.data(),
                                          .bias = nullptr,
                                          .residual = nullptr,
                                          .c = c.data(),
                                          .ldc = n,
                                          .m = m,
                                          .n = n,
                                          .k = k,
                                          .activation = attendant::kernels::Activation::kNone};
  const double flop = 2.0 * static_cast<double>(m * n * k);
  const long rounds = static_cast<long>(2e9 / flop) + 1;
  table.gemm(args);
  const auto start = Clock::now();
  for (long i = 0; i < rounds; ++i) table.gemm(args);
  return static_cast<double>(rounds) * flop / Seconds(start) / 1e9;
}

}  // namespace

int main() {
  constexpr std::array<int64_t, 3> kShapes[] = {{128, 1152, 384}, {128, 384, 384}, {128, 1536, 384}, {128, 384, 1536},
                                                {16, 1536, 384},  {16, 384, 1536}, {24, 128, 32},    {24, 32, 128}};
  for (const attendant::kernels::KernelTable* table : attendant::kernels::AvailableKernels()) {
    if (std::strcmp(table->name, "scalar") == 0) continue;
    for (const auto& [m, n, k] : kShapes) {
      const double peak = Peak(table->name);
      const double found = Measure(*table, m, n, k);
      std::printf("%-7s %4ld x %4ld x %4ld  %7.1f GFLOP/s  %3.0f %%\n", table->name, static_cast<long>(m),
                  static_cast<long>(n), static_cast<long>(k), found, 100 * found / peak);
    }
  }
}
