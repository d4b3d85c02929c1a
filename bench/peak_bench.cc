// The peak of this CPU's multiply-add units on register operands: what no program can exceed.
// Usage: peak_bench [THREADS]. All threads compute at once. A line for each instruction set that the CPU has:
//   fp32 avx512 115.4 GFLOP/s per thread
// The loops are assembly, so that no compiler can spill an accumulator.
#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "engine/kernels/amx_permission.h"

namespace {

using Clock = std::chrono::steady_clock;

// Long enough that the clock's resolution and the threads' start do not count; the best of several is the peak.
constexpr double kSecondsPerTry = 0.04;
constexpr int kTries = 12;

// `OP` on twelve accumulators, then on twelve more: enough to cover any latency x throughput there is.
#define TIMES_12(OP, R, A, B)                                                                                       \
  OP " " A "," B "," R "0\n\t" OP " " A "," B "," R "1\n\t" OP " " A "," B "," R "2\n\t" OP " " A "," B "," R       \
     "3\n\t" OP " " A "," B "," R "4\n\t" OP " " A "," B "," R "5\n\t" OP " " A "," B "," R "6\n\t" OP " " A "," B  \
     "," R "7\n\t" OP " " A "," B "," R "8\n\t" OP " " A "," B "," R "9\n\t" OP " " A "," B "," R "10\n\t" OP " " A \
     "," B "," R "11\n\t"
#define CLOBBERS_YMM                                                                                                   \
  "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm14", \
      "xmm15"

// Starting from whatever the accumulators hold would risk NaN and slow denormals: they begin as the operand.
#define MOVE_12(R, A) TIMES_12("vpord", R, A, A)

#define ZMM_LOOP(NAME, TARGET, OP)                                                                                    \
  __attribute__((target("avx512f" TARGET), noinline)) void NAME(int64_t rounds, uint32_t operand) {                   \
    asm volatile("vpbroadcastd %1, %%zmm14\n\t" MOVE_12("%%zmm", "%%zmm14") "1:\n\t" TIMES_12(OP, "%%zmm", "%%zmm14", \
                                                                                              "%%zmm14")              \
                     TIMES_12(OP, "%%zmm", "%%zmm14", "%%zmm14") "dec %0\n\tjnz 1b\n\tvzeroupper"                     \
                 : "+r"(rounds)                                                                                       \
                 : "m"(operand)                                                                                       \
                 : "cc", CLOBBERS_YMM);                                                                               \
  }
#define YMM_LOOP(NAME, OP)                                                                                         \
  __attribute__((target("avx2"), noinline)) void NAME(int64_t rounds, uint32_t operand) {                          \
    asm volatile("vpbroadcastd %1, %%ymm14\n\t" TIMES_12("vpor", "%%ymm", "%%ymm14", "%%ymm14") "1:\n\t" TIMES_12( \
                     OP, "%%ymm", "%%ymm14", "%%ymm14")                                                            \
                     TIMES_12(OP, "%%ymm", "%%ymm14", "%%ymm14") "dec %0\n\tjnz 1b\n\tvzeroupper"                  \
                 : "+r"(rounds)                                                                                    \
                 : "m"(operand)                                                                                    \
                 : "cc", CLOBBERS_YMM);                                                                            \
  }

ZMM_LOOP(Fp32Avx512, "", "vfmadd231ps")
ZMM_LOOP(Bf16Avx512, "", "vdpbf16ps")
ZMM_LOOP(Int8Avx512, "", "vpdpbusd")
ZMM_LOOP(Int16Avx512, "", "vpdpwssd")
YMM_LOOP(Fp32Avx2, "vfmadd231ps")
YMM_LOOP(Int8AvxVnni, "%{vex%} vpdpbusd")

// Six accumulators of 16 x 16 and two operands; a round is four times six products.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

#define TIMES_6(OP)                                                                               \
  OP " %%tmm6,%%tmm7,%%tmm0\n\t" OP " %%tmm6,%%tmm7,%%tmm1\n\t" OP " %%tmm6,%%tmm7,%%tmm2\n\t" OP \
     " %%tmm6,%%tmm7,%%tmm3\n\t" OP " %%tmm6,%%tmm7,%%tmm4\n\t" OP " %%tmm6,%%tmm7,%%tmm5\n\t"
#define AMX_LOOP(NAME, OP)                                                                                          \
  __attribute__((noinline)) void NAME(int64_t rounds, uint32_t) {                                                   \
    const TileConfig config;                                                                                        \
    asm volatile("ldtilecfg %1\n\ttilezero %%tmm6\n\ttilezero %%tmm7\n\t1:\n\t" TIMES_6(OP) TIMES_6(OP) TIMES_6(OP) \
                     TIMES_6(OP) "dec %0\n\tjnz 1b\n\ttilerelease"                                                  \
                 : "+r"(rounds)                                                                                     \
                 : "m"(config)                                                                                      \
                 : "cc", "memory");                                                                                 \
  }

AMX_LOOP(Bf16Amx, "tdpbf16ps")
AMX_LOOP(Int8Amx, "tdpbssd")

struct Probe {
  const char* precision;
  const char* name;
  bool available;
  void (*loop)(int64_t rounds, uint32_t operand);
  uint32_t operand;     // small values of the element type, so that nothing overflows to infinity
  double ops_per_step;  // of one instruction; a round has 24
};

std::vector<Probe> Probes() {
  __builtin_cpu_init();
  const bool amx = attendant::kernels::AmxUsable();
  constexpr uint32_t kFloat = 0x3a83126f, kBfloat16 = 0x3a833a83, kInt8 = 0x01010101, kInt16 = 0x00010001;  // 0.001, 1
  return {
      {"fp32", "avx2", __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), Fp32Avx2, kFloat, 8 * 2},
      {"fp32", "avx512", __builtin_cpu_supports("avx512f") != 0, Fp32Avx512, kFloat, 16 * 2},
      {"bf16", "avx512bf16", __builtin_cpu_supports("avx512bf16") != 0, Bf16Avx512, kBfloat16, 32 * 2},
      {"bf16", "amx", amx, Bf16Amx, 0, 16 * 16 * 32 * 2},
      {"int16", "avx512vnni", __builtin_cpu_supports("avx512vnni") != 0, Int16Avx512, kInt16, 32 * 2},
      {"int8", "avxvnni", __builtin_cpu_supports("avxvnni") != 0, Int8AvxVnni, kInt8, 32 * 2},
      {"int8", "avx512vnni", __builtin_cpu_supports("avx512vnni") != 0, Int8Avx512, kInt8, 64 * 2},
      {"int8", "amx", amx, Int8Amx, 0, 16 * 16 * 64 * 2},
  };
}

// Operations a second of the slowest thread while all compute, in units of 1e9.
double Measure(const Probe& probe, int threads, int64_t rounds) {
  std::barrier start(threads);
  std::vector<double> seconds(static_cast<size_t>(threads));
  std::vector<std::jthread> workers;
  for (double& own : seconds) {
    workers.emplace_back([&] {
      start.arrive_and_wait();
      const Clock::time_point begin = Clock::now();
      probe.loop(rounds, probe.operand);
      own = std::chrono::duration<double>(Clock::now() - begin).count();
    });
  }
  workers.clear();
  return static_cast<double>(rounds) * 24 * probe.ops_per_step / *std::max_element(seconds.begin(), seconds.end()) /
         1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  if (threads < 1) {
    std::fprintf(stderr, "usage: peak_bench [THREADS]\n");
    return 2;
  }
  for (const Probe& probe : Probes()) {
    if (!probe.available) continue;
    constexpr int64_t kFirstRounds = 100'000;
    const double first = Measure(probe, threads, kFirstRounds);
    const auto rounds = static_cast<int64_t>(first * 1e9 * kSecondsPerTry / (24 * probe.ops_per_step)) + 1;
    double best = 0;
    for (int i = 0; i < kTries; ++i) best = std::max(best, Measure(probe, threads, rounds));
    std::printf("%s %s %.1f GFLOP/s per thread\n", probe.precision, probe.name, best);
  }
}
