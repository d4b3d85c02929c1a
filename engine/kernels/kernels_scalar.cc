#include "engine/kernels/simd_scalar.h"
// The order matters: the kernels are written over the V16 of the header above.
#include "engine/kernels/table.inc"

namespace attendant::kernels {

extern "C" const KernelTable* attendant_kernels_scalar() { return &kTable; }

}  // namespace attendant::kernels
