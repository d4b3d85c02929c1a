#include "engine/model/attention.h"

#include <cstring>

#include "engine/model/attention_head.h"
#include "engine/model/shared_work.h"

namespace attendant {
namespace {

using kernels::Activation;

bool IsLow(const LayerContext& layer) {
  return layer.weights.precision != Precision::kFp32 && layer.config.head_dim <= kernels::kMaxInt16HeadDim;
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

void ProjectQueryKeyValue(const LayerContext& layer, const RowRange& rows, Workspace& workspace, Team* team) {
  ApplyLinear(layer.kernels, layer.weights.query_key_value,
              {.x = workspace.hidden_states.data() + rows.first * workspace.hidden_stride,
               .x_stride = workspace.hidden_stride,
               .m = rows.count,
               .residual = nullptr,
               .y = workspace.qkv.data() + rows.first * workspace.qkv_stride,
               .y_stride = workspace.qkv_stride,
               .activation = Activation::kNone,
               .next = &layer.weights.attention_output},
              workspace.hidden_operand.From(rows.first), team);
  if (!IsLow(layer)) return;
  ForRows(rows.count, team,
          [&](int64_t first, int64_t count) { QuantizeQueries(layer, rows.first + first, count, workspace); });
}

// A sink is shown the heads by one thread, in order.
void Attend(const AttentionArgs& args, Workspace& workspace, Team* team) {
  const PackedBatch& batch = workspace.batch;
  const int32_t heads = args.config.num_attention_heads;
  const int64_t hidden_size = args.config.hidden_size;
  const auto attend_head = IsLow(args) ? AttendHeadInt16 : AttendHeadFp32;
  const auto attend = [&](size_t s, int32_t h, int member) {
    const int64_t row = batch.cu_seqlens[s];
    float* query = workspace.qkv.data() + row * workspace.qkv_stride + h * args.config.head_dim;
    float* context = workspace.context.data() + row * workspace.hidden_stride + h * args.config.head_dim;
    attend_head(args, {s, h, row, batch.length(s), query, query + hidden_size, query + 2 * hidden_size, context},
                workspace, workspace.head_scratch[static_cast<size_t>(member)]);
  };
  for (size_t s = 0; s < batch.size(); ++s) {
    if (team != nullptr && args.sink == nullptr) {
      team->ParallelFor(heads, [&](int head, int member) { attend(s, head, member); });
    } else {
      for (int32_t h = 0; h < heads; ++h) attend(s, h, 0);
    }
  }
}

void ProjectContext(const LayerContext& layer, const RowRange& rows, Workspace& workspace, Team* team) {
  float* hidden = workspace.hidden_states.data() + rows.first * workspace.hidden_stride;
  ApplyLinear(layer.kernels, layer.weights.attention_output,
              {.x = workspace.context.data() + rows.first * workspace.hidden_stride,
               .x_stride = workspace.hidden_stride,
               .m = rows.count,
               .residual = hidden,
               .y = hidden,
               .y_stride = workspace.hidden_stride,
               .activation = Activation::kNone,
               .next = &layer.weights.intermediate},
              workspace.hidden_operand.From(rows.first), team);
  SharedLayerNorm(layer.kernels,
                  {.x = hidden,
                   .stride = workspace.hidden_stride,
                   .gamma = layer.weights.attention_norm.gamma,
                   .beta = layer.weights.attention_norm.beta,
                   .m = rows.count,
                   .n = layer.config.hidden_size,
                   .epsilon = layer.config.layer_norm_eps},
                  team);
}

}  // namespace attendant
