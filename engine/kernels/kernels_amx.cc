// AMX: products of tiles of 16 rows by 64 bytes. Its bf16 sums differ from those of AVX-512 BF16 in their last bits: in
// each step of 32 along k the even and the odd elements are summed apart, then added to C; and as there, denormal
// inputs and sums count as zero (Intel 64 and IA-32 Architectures Software Developer's Manual, TDPBF16PS). int8 sums
// are exact. Ask AmxUsable() before any call: without the kernel's leave the first instruction is a SIGILL.
#include "engine/kernels/simd_avx512.h"
// The order matters: the kernels are written over the V16 of the header above.
#include "engine/kernels/amx_gemm.inc"

namespace attendant::kernels {
namespace {

// LDTILECFG's operand.
struct alignas(64) TileConfiguration {
  uint8_t palette, start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(TileConfiguration) == 64);

// Assembly, because GCC 12's intrinsics are macros that take a tile's number as a literal only. "memory" wherever
// memory is read or written: the operands name a first byte, not the whole tile.
struct Tiles {
  static void Configure(int height) {
    TileConfiguration configuration = {};
    configuration.palette = 1;
    for (int t = 0; t < 8; ++t) {
      configuration.row_bytes[t] = kLineBytes;
      configuration.rows[t] = t < 6 ? static_cast<uint8_t>(height) : kAmxRows;
    }
    asm volatile("ldtilecfg %0" ::"m"(configuration) : "memory");
  }
  // Tiles in use would make every thread switch save 8 KiB.
  static void Release() { asm volatile("tilerelease"); }

  template <int kTile>
  static void Zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kTile));
  }
  template <int kTile>
  static void Load(const char* p, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(kTile) : "memory");
  }
  template <int kTile>
  static void Store(char* p, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(kTile) : "memory");
  }
};

struct Int8Tiles : Tiles {
  template <int kC, int kA, int kB>
  static void Multiply() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));
  }
};
struct Bf16Tiles : Tiles {
  template <int kC, int kA, int kB>
  static void Multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kC), "i"(kA), "i"(kB));
  }
};

}  // namespace

extern "C" void attendant_gemm_int8_amx(const LowGemmArgs& args) { AmxGemm<Int8Tiles, Int8Dot>(args); }
extern "C" void attendant_gemm_bf16_amx(const LowGemmArgs& args) { AmxGemm<Bf16Tiles, AmxBf16Sums>(args); }

}  // namespace attendant::kernels
