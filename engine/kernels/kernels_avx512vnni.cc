#include "engine/kernels/simd_avx512.h"
// The order matters: the kernels are written over the V16 of the header above.
#define VNNI_ENCODING ""
#include "engine/kernels/vnni_dots.inc"

namespace attendant::kernels {

extern "C" void attendant_gemm_int8_avx512vnni(const LowGemmArgs& args) { LowGemm<VnniInt8Dot>(args); }
extern "C" void attendant_gemm_int16_avx512vnni(const LowGemmArgs& args) { LowGemm<VnniInt16Dot>(args); }

}  // namespace attendant::kernels
