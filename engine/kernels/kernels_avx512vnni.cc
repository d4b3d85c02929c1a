// AVX-512 VNNI: four products of bytes, or two of int16, and their sum in one instruction.
#include "engine/kernels/simd_avx512.h"
// The order matters: the kernels are written over the V16 of the header above.
#include "engine/kernels/low_gemm.inc"

namespace attendant::kernels {
namespace {

// Assembly, because GCC 12 moves the accumulators of the intrinsics to the stack in the inner loop: half the speed.
struct VnniInt8Dot : Int8Dot {
  using A = NativeInt;
  using B = NativeInt;
  static A LoadA(const char* a) { return NativeIntSet(GroupAt(a)); }
  static B LoadB(const char* b) { return NativeIntLoad(b); }
  static Sum Dot(A a, B b, Sum sum) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
  }
};

struct VnniInt16Dot : Int16Dot {
  static Sum Dot(A a, B b, Sum sum) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
  }
};

}  // namespace

extern "C" void attendant_gemm_int8_avx512vnni(const LowGemmArgs& args) { LowGemm<VnniInt8Dot>(args); }
extern "C" void attendant_gemm_int16_avx512vnni(const LowGemmArgs& args) { LowGemm<VnniInt16Dot>(args); }

}  // namespace attendant::kernels
