// Kernels whose work a team may share, by columns or rows. Each output element is computed by the same operations as
// without a team, so the bytes do not depend on who helped.
#ifndef ATTENDANT_ENGINE_MODEL_SHARED_WORK_H_
#define ATTENDANT_ENGINE_MODEL_SHARED_WORK_H_

#include "engine/kernels/kernels.h"
#include "engine/team.h"

namespace attendant {

// Calls body(first, rows) for stretches of m rows, or once for all without a team. For row-wise work of some
// 100 ns each.
void ForRows(int64_t m, Team* team, absl::FunctionRef<void(int64_t first, int64_t rows)> body);
// team may be null: then the kernel is simply called.
void SharedGemm(const kernels::KernelTable& kernels, const kernels::GemmArgs& args, Team* team);
// column_bytes: of one column of B.
void SharedLowGemm(void (*gemm)(const kernels::LowGemmArgs& args), const kernels::LowGemmArgs& args,
                   int64_t column_bytes, Team* team);
void SharedLayerNorm(const kernels::KernelTable& kernels, const kernels::LayerNormArgs& args, Team* team);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_SHARED_WORK_H_
