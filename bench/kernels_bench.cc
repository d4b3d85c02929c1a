// The matrix products of an encoder, on one thread, in every instruction set and precision that this CPU has: those of
// six layers of hidden size 384 over 72 rows, each layer with weights of its own, so that they stream from where a
// model's weights come from. Beside peak_bench's figures this is the fraction of the limit that the products reach.
// A line each:
//   int8 avx512vnni 72 x 1536 x 384 640.1 GFLOP/s
//   int8 avx512vnni all 630.2 GFLOP/s
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "engine/kernels/dispatch.h"

namespace {

using attendant::kernels::KernelTable;
using Clock = std::chrono::steady_clock;

constexpr int64_t kRows = 72;
constexpr int kLayers = 6;
constexpr int kTries = 40;

struct Shape {
  int64_t n, k;
};
constexpr Shape kShapes[] = {{1152, 384}, {384, 384}, {1536, 384}, {384, 1536}};

// Memory for the operands of any precision; weights of all layers apart. Contents do not matter to the speed, as long
// as they are neither NaN nor denormal: zeros.
struct Memory {
  std::vector<float> a = std::vector<float>(kRows * 1552);
  std::vector<float> c = std::vector<float>(kRows * 1552);
  std::vector<float> weights = std::vector<float>(static_cast<size_t>(kLayers) * 1536 * 1536);
  std::vector<float> scales = std::vector<float>(1552, 1.0f);

  const float* layer(int index) const { return weights.data() + static_cast<int64_t>(index) * 1536 * 1536; }
};

void MultiplyFp32(const KernelTable& table, const Shape& shape, int layer, Memory& memory) {
  table.gemm({.a = memory.a.data(),
              .lda = shape.k,
              .b = memory.layer(layer),
              .bias = memory.scales.data(),
              .residual = nullptr,
              .c = memory.c.data(),
              .ldc = shape.n,
              .m = kRows,
              .n = shape.n,
              .k = shape.k,
              .activation = attendant::kernels::Activation::kNone});
}

void MultiplyLow(const KernelTable& table, const Shape& shape, int layer, Memory& memory, int64_t element_bytes) {
  const auto gemm = element_bytes == 1 ? table.gemm_int8 : table.gemm_bf16;
  gemm({.a = memory.a.data(),
        .lda = shape.k * element_bytes + 64,
        .b = memory.layer(layer),
        .a_scales = memory.scales.data(),
        .a_zeros = memory.scales.data(),
        .b_scales = memory.scales.data(),
        .b_sums = memory.scales.data(),
        .bias = memory.scales.data(),
        .residual = nullptr,
        .c = memory.c.data(),
        .ldc = shape.n,
        .m = kRows,
        .n = shape.n,
        .k = shape.k,
        .activation = attendant::kernels::Activation::kNone});
}

void Multiply(const std::string& precision, const KernelTable& table, const Shape& shape, int layer, Memory& memory) {
  if (precision == "fp32") return MultiplyFp32(table, shape, layer, memory);
  if (precision == "int8") return MultiplyLow(table, shape, layer, memory, 1);
  MultiplyLow(table, shape, layer, memory, table.convert_bf16 != nullptr ? 2 : 4);
}

void Measure(const std::string& precision, const KernelTable& table, Memory& memory) {
  double best[std::size(kShapes)];
  std::fill(std::begin(best), std::end(best), std::numeric_limits<double>::infinity());
  for (int attempt = 0; attempt < kTries; ++attempt) {
    double seconds[std::size(kShapes)] = {};
    for (int layer = 0; layer < kLayers; ++layer) {
      for (size_t i = 0; i < std::size(kShapes); ++i) {
        const auto start = Clock::now();
        Multiply(precision, table, kShapes[i], layer, memory);
        seconds[i] += std::chrono::duration<double>(Clock::now() - start).count();
      }
    }
    for (size_t i = 0; i < std::size(kShapes); ++i) best[i] = std::min(best[i], seconds[i]);
  }
  double all_ops = 0, all_seconds = 0;
  for (size_t i = 0; i < std::size(kShapes); ++i) {
    const auto& [n, k] = kShapes[i];
    const double ops = 2.0 * kLayers * static_cast<double>(kRows * n * k);
    std::printf("%s %s %ld x %ld x %ld %.1f GFLOP/s\n", precision.c_str(), table.name, static_cast<long>(kRows),
                static_cast<long>(n), static_cast<long>(k), ops / best[i] / 1e9);
    all_ops += ops;
    all_seconds += best[i];
  }
  std::printf("%s %s all %.1f GFLOP/s\n", precision.c_str(), table.name, all_ops / all_seconds / 1e9);
}

}  // namespace

int main() {
  Memory memory;
  for (const KernelTable* table : attendant::kernels::AvailableKernels()) {
    if (std::strcmp(table->name, "scalar") == 0) continue;
    for (const char* precision : {"fp32", "bf16", "int8"}) Measure(precision, *table, memory);
  }
}
