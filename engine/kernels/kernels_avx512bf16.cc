// AVX-512 BF16: two products of bf16 and their fp32 sum in one instruction. The unit takes the upper product first and
// flushes denormals (Intel 64 and IA-32 Architectures Software Developer's Manual, VDPBF16PS).
#include "engine/kernels/simd_avx512.h"
// The order matters: the kernels are written over the V16 of the header above.
#include "engine/kernels/low_gemm.inc"

namespace attendant::kernels {
namespace {

struct Bf16Dot {
  using Sum = __m512;
  using A = NativeInt;
  using B = NativeInt;
  static constexpr int kGroup = 2, kGroupBytes = 4;
  static constexpr bool kScaled = false, kZeros = false;
  static A LoadA(const char* a) { return NativeIntSet(GroupAt(a)); }
  static B LoadB(const char* b) { return NativeIntLoad(b); }
  static Sum Dot(A a, B b, Sum sum) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
  }
  static Sum Zero() { return NativeZero(); }
  static V16 ToFloat(const Sum* sums) { return Join(sums); }
};

void ConvertToBf16(const QuantizeArgs& args) {
  for (int64_t row = 0; row < args.m; ++row) {
    auto* out = static_cast<uint16_t*>(args.out) + row * args.out_stride / 2;
    for (int64_t i = 0; i < args.n; i += 16) StoreBf16(out + i, Load(args.x + row * args.stride + i));
    for (int64_t i = args.n; i < args.n_padded; ++i) out[i] = 0;
  }
}

}  // namespace

extern "C" void attendant_gemm_bf16_avx512bf16(const LowGemmArgs& args) { LowGemm<Bf16Dot>(args); }
extern "C" void attendant_convert_bf16_avx512(const QuantizeArgs& args) { ConvertToBf16(args); }

}  // namespace attendant::kernels
