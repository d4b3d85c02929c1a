#include "engine/kernels/simd_avx512.h"
// The order matters: the kernels are written over the V16 of the header above.
#include "engine/kernels/table.inc"

namespace attendant::kernels {

extern "C" const KernelTable* attendant_kernels_avx512() { return &kTable; }

}  // namespace attendant::kernels
