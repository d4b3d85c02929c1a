#include <algorithm>
#include <cmath>

#include "engine/model/attention_head.h"

namespace attendant {
namespace {

using kernels::Activation;
using kernels::kPanelWidth;
using kernels::PadToPanel;

// Limits keep every int32 sum below 2^31. Scores: kQueryLimit * kKeyLimit * head_dim up to a head_dim of 64, beyond
// which the query's share shrinks. Context: kProbabilityOne * kValueLimit * kTokensPerSum.
constexpr float kKeyLimit = 2047.0f;
constexpr float kQueryLimit = 16383.0f;
constexpr float kValueLimit = 1000.0f;  // not 1023: very large scores round so that probabilities exceed 1 a little
constexpr int32_t kTokensPerSum = 256;
constexpr int32_t kLongRow = 192;
constexpr float kSumLimit = 2147483520.0f;  // the largest float below 2^31
static_assert(kernels::kProbabilityOne * kValueLimit * kTokensPerSum < kSumLimit);

int16_t* Int16(Buffer& buffer) { return reinterpret_cast<int16_t*>(buffer.data()); }

void PackKeysAndValues(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch) {
  kernels::PackInt16Args pack = {.x = head.key,
                                 .stride = workspace.qkv_stride,
                                 .tokens = head.num_tokens,
                                 .features = args.config.head_dim,
                                 .features_padded = workspace.head_dim_padded,
                                 .panels = Int16(scratch.keys),
                                 .scales = &scratch.key_scale,
                                 .limit = kKeyLimit};
  args.kernels.pack_int16_keys(pack);
  pack.x = head.value;
  pack.panels = Int16(scratch.values);
  pack.scales = scratch.value_scales.data();
  pack.limit = kValueLimit;
  args.kernels.pack_int16_values(pack);
}

// scores = Q K^T for a block of query rows, as integers. Beyond head_dim the query's elements meet zeros of the keys.
void ScoresOfBlock(const AttentionArgs& args, const Head& head, RowBlock block, const Workspace& workspace,
                   HeadScratch& scratch) {
  const Operand::Rows query = workspace.query.From(head.first_row + block.first);
  args.kernels.gemm_int16({.a = query.data + head.index * args.config.head_dim * static_cast<int64_t>(sizeof(int16_t)),
                           .lda = query.stride,
                           .b = scratch.keys.data(),
                           .a_scales = nullptr,
                           .a_zeros = nullptr,
                           .b_scales = nullptr,
                           .b_sums = nullptr,
                           .bias = nullptr,
                           .residual = nullptr,
                           .c = scratch.scores.data(),
                           .ldc = workspace.scores_stride,
                           .m = block.rows,
                           .n = PadToPanel(head.num_tokens),
                           .k = workspace.head_dim_padded,
                           .activation = Activation::kNone});
}

// context rows = softmax(scores) V: panel by panel of features, in stretches of tokens short enough for an int32 sum.
void ContextOfBlock(const AttentionArgs& args, const Head& head, RowBlock block, const Workspace& workspace,
                    HeadScratch& scratch) {
  const HeadContext context(head, block, args.config.head_dim, workspace, scratch);
  const int64_t tokens = (head.num_tokens + 1) / 2 * 2;
  for (int64_t feature = 0; feature < workspace.head_dim_padded; feature += kPanelWidth) {
    float* out = context.rows + feature;
    for (int64_t first = 0; first < tokens; first += kTokensPerSum) {
      args.kernels.gemm_int16({.a = Int16(scratch.probabilities) + first,
                               .lda = workspace.scores_stride * static_cast<int64_t>(sizeof(int16_t)),
                               .b = Int16(scratch.values) + feature * tokens + first * kPanelWidth,
                               .a_scales = scratch.inverse_sums,
                               .a_zeros = nullptr,
                               .b_scales = scratch.value_scales.data() + feature,
                               .b_sums = nullptr,
                               .bias = nullptr,
                               .residual = first == 0 ? nullptr : out,
                               .c = out,
                               .ldc = context.stride,
                               .m = block.rows,
                               .n = kPanelWidth,
                               .k = std::min<int64_t>(kTokensPerSum, tokens - first),
                               .activation = Activation::kNone});
    }
  }
  context.Finish();
}

}  // namespace

void QuantizeQueries(const LayerContext& layer, int64_t first, int64_t rows, Workspace& workspace) {
  const float most = kSumLimit / (kKeyLimit * static_cast<float>(layer.config.head_dim));
  const Operand::Rows query = workspace.query.From(first);
  layer.kernels.quantize_int16({.x = workspace.qkv.data() + first * workspace.qkv_stride,
                                .stride = workspace.qkv_stride,
                                .factors = nullptr,
                                .activation = Activation::kNone,
                                .m = rows,
                                .n = layer.config.hidden_size,
                                .out = query.data,
                                .out_stride = query.stride,
                                .n_padded = (layer.config.hidden_size + 15) / 16 * 16,
                                .scales = query.scales,
                                .zeros = nullptr,
                                .limit = std::min(kQueryLimit, std::floor(most))});
}

void AttendHeadInt16(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch) {
  PackKeysAndValues(args, head, workspace, scratch);
  const bool wanted = args.sink != nullptr && args.sink->Wants(head.sequence, args.layer, head.index);
  // One register tile of rows at a time where two of long rows would outgrow L1.
  const int32_t block_rows = head.num_tokens > kLongRow ? kQueryBlock / 2 : kQueryBlock;
  for (int32_t first = 0; first < head.num_tokens; first += block_rows) {
    const RowBlock block{first, std::min(block_rows, head.num_tokens - first)};
    ScoresOfBlock(args, head, block, workspace, scratch);
    args.kernels.softmax_int16({.scores = scratch.scores.data(),
                                .stride = workspace.scores_stride,
                                .m = block.rows,
                                .n = head.num_tokens,
                                .factors = workspace.query.From(head.first_row + first).scales,
                                .factor = scratch.key_scale,
                                .keep_exponentials = wanted,
                                .inverse_sums = scratch.inverse_sums,
                                .probabilities = Int16(scratch.probabilities),
                                .probability_stride = workspace.scores_stride});
    if (wanted) {
      args.sink->Take({head.sequence, args.layer, head.index, block.first, block.rows, head.num_tokens,
                       scratch.scores.data(), workspace.scores_stride, scratch.inverse_sums});
    }
    ContextOfBlock(args, head, block, workspace, scratch);
  }
}

}  // namespace attendant
