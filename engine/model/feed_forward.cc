#include "engine/model/feed_forward.h"

#include <algorithm>

#include "engine/model/shared_work.h"

namespace attendant {

void FeedForward(const ModelConfig& config, const LayerWeights& weights, const kernels::KernelTable& kernels,
                 Workspace& workspace, Team* team) {
  // int8 turns the activations into bytes row by row, and applies the function on the way.
  const bool late = weights.output.precision == Precision::kInt8;
  const kernels::Activation none = kernels::Activation::kNone;
  const int32_t num_tokens = workspace.batch.num_tokens();
  for (int32_t first = 0; first < num_tokens; first += kFeedForwardRows) {
    const int32_t rows = std::min(kFeedForwardRows, num_tokens - first);
    float* hidden = workspace.hidden_states.data() + first * workspace.hidden_stride;
    ApplyLinear(kernels, weights.intermediate,
                {.x = hidden,
                 .x_stride = workspace.hidden_stride,
                 .m = rows,
                 .residual = nullptr,
                 .y = workspace.intermediate.data(),
                 .y_stride = workspace.intermediate_stride,
                 .activation = late ? none : config.hidden_act,
                 .next = &weights.output},
                workspace.hidden_operand, team);
    ApplyLinear(kernels, weights.output,
                {.x = workspace.intermediate.data(),
                 .x_activation = late ? config.hidden_act : none,
                 .x_stride = workspace.intermediate_stride,
                 .m = rows,
                 .residual = hidden,
                 .y = hidden,
                 .y_stride = workspace.hidden_stride,
                 .activation = none},
                workspace.intermediate_operand, team);
    SharedLayerNorm(kernels,
                    {.x = hidden,
                     .stride = workspace.hidden_stride,
                     .gamma = weights.output_norm.gamma,
                     .beta = weights.output_norm.beta,
                     .m = rows,
                     .n = config.hidden_size,
                     .epsilon = config.layer_norm_eps},
                    team);
  }
}

}  // namespace attendant
