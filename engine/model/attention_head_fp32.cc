#include <algorithm>
#include <cstring>

#include "engine/model/attention_head.h"

namespace attendant {
namespace {

using kernels::Activation;
using kernels::kPanelWidth;
using kernels::PadToPanel;

// Keys become the B of Q K^T: panels of 32 tokens, [head_dim][32] each; missing tokens of the last panel are zero.
void PackKeys(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch) {
  const int32_t head_dim = args.config.head_dim;
  for (int32_t first = 0; first < head.num_tokens; first += kPanelWidth) {
    float* panel = scratch.keys.data() + static_cast<int64_t>(first) * head_dim;
    args.kernels.transpose({.source = head.key + first * workspace.qkv_stride,
                            .source_stride = workspace.qkv_stride,
                            .rows = std::min<int32_t>(kPanelWidth, head.num_tokens - first),
                            .columns = head_dim,
                            .transposed = panel,
                            .transposed_stride = kPanelWidth});
  }
}

// Values become the B of P V: panels of 32 features, [num_tokens][32] each; missing features of the last are zero.
void PackValues(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch) {
  const int64_t head_dim = args.config.head_dim;
  for (int64_t first = 0; first < head_dim; first += kPanelWidth) {
    float* panel = scratch.values.data() + first * head.num_tokens;
    const size_t width = static_cast<size_t>(std::min(kPanelWidth, head_dim - first));
    for (int64_t token = 0; token < head.num_tokens; ++token) {
      float* row = panel + token * kPanelWidth;
      std::memcpy(row, head.value + token * workspace.qkv_stride + first, width * sizeof(float));
      if (width < kPanelWidth) std::memset(row + width, 0, (kPanelWidth - width) * sizeof(float));
    }
  }
}

// context rows = softmax(scores) V.
void ContextOfBlock(const AttentionArgs& args, const Head& head, RowBlock block, const Workspace& workspace,
                    HeadScratch& scratch) {
  const HeadContext context(head, block, args.config.head_dim, workspace, scratch);
  args.kernels.gemm({.a = scratch.scores.data(),
                     .lda = workspace.scores_stride,
                     .b = scratch.values.data(),
                     .bias = nullptr,
                     .residual = nullptr,
                     .c = context.rows,
                     .ldc = context.stride,
                     .m = block.rows,
                     .n = workspace.head_dim_padded,
                     .k = head.num_tokens,
                     .activation = Activation::kNone});
  for (int32_t r = 0; r < block.rows; ++r) {
    args.kernels.scale(context.rows + r * context.stride, workspace.head_dim_padded, scratch.inverse_sums[r]);
  }
  context.Finish();
}

}  // namespace

void AttendHeadFp32(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch) {
  PackKeys(args, head, workspace, scratch);
  PackValues(args, head, workspace, scratch);
  const bool wanted = args.sink != nullptr && args.sink->Wants(head.sequence, args.layer, head.index);
  for (int32_t first = 0; first < head.num_tokens; first += kQueryBlock) {
    const int32_t rows = std::min(kQueryBlock, head.num_tokens - first);
    args.kernels.gemm({.a = head.query + first * workspace.qkv_stride,
                       .lda = workspace.qkv_stride,
                       .b = scratch.keys.data(),
                       .bias = nullptr,
                       .residual = nullptr,
                       .c = scratch.scores.data(),
                       .ldc = workspace.scores_stride,
                       .m = rows,
                       .n = PadToPanel(head.num_tokens),
                       .k = args.config.head_dim,
                       .activation = Activation::kNone});
    args.kernels.softmax(scratch.scores.data(), workspace.scores_stride, rows, head.num_tokens, scratch.inverse_sums);
    if (wanted) {
      args.sink->Take({head.sequence, args.layer, head.index, first, rows, head.num_tokens, scratch.scores.data(),
                       workspace.scores_stride, scratch.inverse_sums});
    }
    ContextOfBlock(args, head, {first, rows}, workspace, scratch);
  }
}

}  // namespace attendant
