#include "engine/model/feed_forward.h"

#include <algorithm>

#include "engine/model/shared_work.h"

namespace attendant {
namespace {

// At most kFeedForwardRows of them.
void FeedForwardRows(const LayerContext& layer, const RowRange& rows, Workspace& workspace, Team* team) {
  const LayerWeights& weights = layer.weights;
  // int8 turns the activations into bytes row by row, and applies the function on the way.
  const bool late = weights.output.precision == Precision::kInt8;
  const kernels::Activation none = kernels::Activation::kNone;
  FeedForwardScratch& scratch = workspace.feed_forward_scratch[static_cast<size_t>(rows.member)];
  float* hidden = workspace.hidden_states.data() + rows.first * workspace.hidden_stride;
  ApplyLinear(layer.kernels, weights.intermediate,
              {.x = hidden,
               .x_stride = workspace.hidden_stride,
               .m = rows.count,
               .residual = nullptr,
               .y = scratch.intermediate.data(),
               .y_stride = workspace.intermediate_stride,
               .activation = late ? none : layer.config.hidden_act,
               .next = &weights.output},
              workspace.hidden_operand.From(rows.first), team);
  ApplyLinear(layer.kernels, weights.output,
              {.x = scratch.intermediate.data(),
               .x_activation = late ? layer.config.hidden_act : none,
               .x_stride = workspace.intermediate_stride,
               .m = rows.count,
               .residual = hidden,
               .y = hidden,
               .y_stride = workspace.hidden_stride,
               .activation = none},
              scratch.operand.From(0), team);
  SharedLayerNorm(layer.kernels,
                  {.x = hidden,
                   .stride = workspace.hidden_stride,
                   .gamma = weights.output_norm.gamma,
                   .beta = weights.output_norm.beta,
                   .m = rows.count,
                   .n = layer.config.hidden_size,
                   .epsilon = layer.config.layer_norm_eps},
                  team);
}

}  // namespace

void FeedForward(const LayerContext& layer, const RowRange& rows, Workspace& workspace, Team* team) {
  const int64_t end = rows.first + rows.count;
  for (int64_t first = rows.first; first < end; first += kFeedForwardRows) {
    FeedForwardRows(layer, {first, std::min<int64_t>(kFeedForwardRows, end - first), rows.member}, workspace, team);
  }
}

}  // namespace attendant
