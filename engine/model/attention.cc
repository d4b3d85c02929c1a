#include "engine/model/attention.h"

#include <cstring>

#include "engine/model/attention_head.h"
#include "engine/model/shared_work.h"

namespace attendant {
namespace {

using kernels::Activation;

// All heads of all sequences; the team takes one head after the other. A sink is shown them by one thread, in order.
void AttendAll(const AttentionArgs& args, Workspace& workspace) {
  const PackedBatch& batch = workspace.batch;
  const int32_t heads = args.config.num_attention_heads;
  const int64_t hidden_size = args.config.hidden_size;
  const bool low = args.weights.precision != Precision::kFp32 && args.config.head_dim <= kernels::kMaxInt16HeadDim;
  if (low)
    ForRows(batch.num_tokens(), args.team,
            [&](int64_t first, int64_t rows, int) { QuantizeQueries(args, first, rows, workspace); });
  const auto attend_head = low ? AttendHeadInt16 : AttendHeadFp32;
  const auto attend = [&](size_t s, int32_t h, int member) {
    const int64_t row = batch.cu_seqlens[s];
    const float* query = workspace.qkv.data() + row * workspace.qkv_stride + h * args.config.head_dim;
    float* context = workspace.context.data() + row * workspace.hidden_stride + h * args.config.head_dim;
    attend_head(args, {s, h, row, batch.length(s), query, query + hidden_size, query + 2 * hidden_size, context},
                workspace, workspace.head_scratch[static_cast<size_t>(member)]);
  };
  for (size_t s = 0; s < batch.size(); ++s) {
    if (args.team != nullptr && args.sink == nullptr) {
      args.team->ParallelFor(heads, [&](int head, int member) { attend(s, head, member); });
    } else {
      for (int32_t h = 0; h < heads; ++h) attend(s, h, 0);
    }
  }
}

}  // namespace

HeadContext::HeadContext(const Head& head, RowBlock block, int64_t head_dim, const Workspace& workspace,
                         HeadScratch& scratch)
    : target_(head.context + block.first * workspace.hidden_stride),
      target_stride_(workspace.hidden_stride),
      num_rows_(block.rows),
      head_dim_(head_dim) {
  const bool in_place = head_dim % kernels::kPanelWidth == 0;
  rows = in_place ? target_ : scratch.head_context.data();
  stride = in_place ? target_stride_ : workspace.head_dim_padded;
}

void HeadContext::Finish() const {
  if (rows == target_) return;
  for (int64_t r = 0; r < num_rows_; ++r) {
    std::memcpy(target_ + r * target_stride_, rows + r * stride, static_cast<size_t>(head_dim_) * sizeof(float));
  }
}

void SelfAttention(const AttentionArgs& args, Workspace& workspace) {
  const PackedBatch& batch = workspace.batch;
  ApplyLinear(args.kernels, args.weights.query_key_value,
              {.x = workspace.hidden_states.data(),
               .x_stride = workspace.hidden_stride,
               .m = batch.num_tokens(),
               .residual = nullptr,
               .y = workspace.qkv.data(),
               .y_stride = workspace.qkv_stride,
               .activation = Activation::kNone,
               .next = &args.weights.attention_output},
              workspace.hidden_operand, args.team);
  AttendAll(args, workspace);
  ApplyLinear(args.kernels, args.weights.attention_output,
              {.x = workspace.context.data(),
               .x_stride = workspace.hidden_stride,
               .m = batch.num_tokens(),
               .residual = workspace.hidden_states.data(),
               .y = workspace.hidden_states.data(),
               .y_stride = workspace.hidden_stride,
               .activation = Activation::kNone,
               .next = &args.weights.intermediate},
              workspace.hidden_operand, args.team);
  SharedLayerNorm(args.kernels,
                  {.x = workspace.hidden_states.data(),
                   .stride = workspace.hidden_stride,
                   .gamma = args.weights.attention_norm.gamma,
                   .beta = args.weights.attention_norm.beta,
                   .m = batch.num_tokens(),
                   .n = args.config.hidden_size,
                   .epsilon = args.config.layer_norm_eps},
                  args.team);
}

}  // namespace attendant
