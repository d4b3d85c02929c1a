#include "engine/model/attention.h"

#include <algorithm>
#include <cstring>

#include "engine/model/shared_work.h"

namespace attendant {
namespace {

using kernels::Activation;
using kernels::kPanelWidth;
using kernels::PadToPanel;

// One head of one sequence: where its query, key and value rows begin, all with the row stride of qkv.
struct Head {
  size_t sequence;
  int32_t index;
  int32_t num_tokens;
  const float* query;
  const float* key;
  const float* value;
  float* context;  // row stride hidden_stride
};

// Keys become the B of Q K^T: panels of 32 tokens, [head_dim][32] each; missing tokens of the last panel are zero.
void PackKeys(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch) {
  const int32_t head_dim = args.config.head_dim;
  for (int32_t first = 0; first < head.num_tokens; first += kPanelWidth) {
    float* panel = scratch.keys.data() + static_cast<int64_t>(first) * head_dim;
    const int32_t tokens = std::min<int32_t>(kPanelWidth, head.num_tokens - first);
    if (tokens < kPanelWidth) std::memset(panel, 0, sizeof(float) * kPanelWidth * static_cast<size_t>(head_dim));
    args.kernels.transpose(head.key + first * workspace.qkv_stride, workspace.qkv_stride, tokens, head_dim, panel,
                           kPanelWidth);
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

struct RowBlock {
  int32_t first;
  int32_t rows;
};

// context rows = softmax(scores) V. Whole panels go straight to their place, others by way of head_context.
void ContextOfBlock(const AttentionArgs& args, const Head& head, RowBlock block, const Workspace& workspace,
                    HeadScratch& scratch) {
  const auto [first, rows] = block;
  const int64_t head_dim = args.config.head_dim;
  const bool direct = head_dim % kPanelWidth == 0;
  float* target = head.context + first * workspace.hidden_stride;
  float* out = direct ? target : scratch.head_context.data();
  const int64_t out_stride = direct ? workspace.hidden_stride : workspace.head_dim_padded;
  args.kernels.gemm({.a = scratch.scores.data(),
                     .lda = workspace.scores_stride,
                     .b = scratch.values.data(),
                     .bias = nullptr,
                     .residual = nullptr,
                     .c = out,
                     .ldc = out_stride,
                     .m = rows,
                     .n = workspace.head_dim_padded,
                     .k = head.num_tokens,
                     .activation = Activation::kNone});
  for (int32_t r = 0; r < rows; ++r) {
    args.kernels.scale(out + r * out_stride, workspace.head_dim_padded, scratch.inverse_sums[r]);
    if (!direct) {
      std::memcpy(target + r * workspace.hidden_stride, out + r * out_stride,
                  static_cast<size_t>(head_dim) * sizeof(float));
    }
  }
}

void AttendHead(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch) {
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

// All heads of all sequences; the team takes one head after the other. A sink is shown them by one thread, in order.
void AttendAll(const AttentionArgs& args, Workspace& workspace) {
  const PackedBatch& batch = workspace.batch;
  const int32_t heads = args.config.num_attention_heads;
  const int64_t hidden_size = args.config.hidden_size;
  const auto attend = [&](size_t s, int32_t h, int member) {
    const int64_t row = batch.cu_seqlens[s];
    const float* query = workspace.qkv.data() + row * workspace.qkv_stride + h * args.config.head_dim;
    float* context = workspace.context.data() + row * workspace.hidden_stride + h * args.config.head_dim;
    AttendHead(args, {s, h, batch.length(s), query, query + hidden_size, query + 2 * hidden_size, context}, workspace,
               workspace.head_scratch[static_cast<size_t>(member)]);
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

void SelfAttention(const AttentionArgs& args, Workspace& workspace) {
  const PackedBatch& batch = workspace.batch;
  const Linear& qkv = args.weights.query_key_value;
  SharedGemm(args.kernels,
             {.a = workspace.hidden_states.data(),
              .lda = workspace.hidden_stride,
              .b = qkv.panels,
              .bias = qkv.bias,
              .residual = nullptr,
              .c = workspace.qkv.data(),
              .ldc = workspace.qkv_stride,
              .m = batch.num_tokens(),
              .n = qkv.out_padded,
              .k = qkv.in,
              .activation = Activation::kNone},
             args.team);
  AttendAll(args, workspace);
  const Linear& output = args.weights.attention_output;
  SharedGemm(args.kernels,
             {.a = workspace.context.data(),
              .lda = workspace.hidden_stride,
              .b = output.panels,
              .bias = output.bias,
              .residual = workspace.hidden_states.data(),
              .c = workspace.hidden_states.data(),
              .ldc = workspace.hidden_stride,
              .m = batch.num_tokens(),
              .n = output.out_padded,
              .k = output.in,
              .activation = Activation::kNone},
             args.team);
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
