#include "engine/model/shared_work.h"

#include <algorithm>
#include <atomic>

namespace attendant {
namespace {

// Parts per product: enough that a helper who comes late still finds some, few enough that claiming them costs nothing.
constexpr int64_t kGemmParts = 12;
// Rows worth another thread's attention: some microseconds of work.
constexpr int64_t kSharedRows = 24;

// Calls body(first, columns, next) for the columns of n that each part takes, `next` being where the same thread will
// probably go on. The caller works from the front, helpers from the back, so that each walks through memory in one
// direction and what a product fetches ahead at the end of its columns is what its thread reads next.
void ForColumns(int64_t n, Team& team, absl::FunctionRef<void(int64_t first, int64_t columns, int64_t next)> body) {
  const int64_t panels = n / kernels::kPanelWidth;
  const int64_t parts = std::min(panels, kGemmParts);
  const auto begin = [&](int64_t part) { return panels * part / parts * kernels::kPanelWidth; };
  std::atomic<int64_t> from_front{0}, from_back{0};
  team.ParallelFor(static_cast<int>(parts), [&](int, int member) {
    const bool front = member == 0;
    const int64_t part = front ? from_front++ : parts - 1 - from_back++;
    const int64_t next = front ? std::min(part + 1, parts - 1) : std::max<int64_t>(part - 1, 0);
    body(begin(part), begin(part + 1) - begin(part), begin(next));
  });
}

// What both argument structs call by the same names.
template <typename Args>
Args ColumnsOf(const Args& args, int64_t first, int64_t columns) {
  Args share = args;
  if (share.bias != nullptr) share.bias += first;
  if (share.residual != nullptr) share.residual += first;
  share.c += first;
  share.n = columns;
  return share;
}

}  // namespace

void ForRows(int64_t m, Team* team, absl::FunctionRef<void(int64_t first, int64_t rows)> body) {
  const int64_t parts = (m + kSharedRows - 1) / kSharedRows;
  if (team == nullptr || parts < 2) return body(0, m);
  team->ParallelFor(static_cast<int>(parts),
                    [&](int part, int) { body(part * kSharedRows, std::min(kSharedRows, m - part * kSharedRows)); });
}

void SharedGemm(const kernels::KernelTable& kernels, const kernels::GemmArgs& args, Team* team) {
  if (team == nullptr) return kernels.gemm(args);
  ForColumns(args.n, *team, [&](int64_t first, int64_t columns, int64_t next) {
    kernels::GemmArgs share = ColumnsOf(args, first, columns);
    share.b = args.b + first * args.k;
    share.next_b = args.b + next * args.k;
    kernels.gemm(share);
  });
}

void SharedLowGemm(void (*gemm)(const kernels::LowGemmArgs& args), const kernels::LowGemmArgs& args,
                   int64_t column_bytes, Team* team) {
  if (team == nullptr) return gemm(args);
  ForColumns(args.n, *team, [&](int64_t first, int64_t columns, int64_t next) {
    kernels::LowGemmArgs share = ColumnsOf(args, first, columns);
    share.b = static_cast<const char*>(args.b) + first * column_bytes;
    share.next_b = static_cast<const char*>(args.b) + next * column_bytes;
    if (share.b_scales != nullptr) share.b_scales += first;
    if (share.b_sums != nullptr) share.b_sums += first;
    gemm(share);
  });
}

void SharedLayerNorm(const kernels::KernelTable& kernels, const kernels::LayerNormArgs& args, Team* team) {
  ForRows(args.m, team, [&](int64_t first, int64_t rows) {
    kernels::LayerNormArgs share = args;
    share.x += first * args.stride;
    share.m = rows;
    kernels.layer_norm(share);
  });
}

}  // namespace attendant
