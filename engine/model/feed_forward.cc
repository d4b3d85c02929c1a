#include "engine/model/feed_forward.h"

#include <algorithm>

#include "engine/model/shared_work.h"

namespace attendant {

void FeedForward(const ModelConfig& config, const LayerWeights& weights, const kernels::KernelTable& kernels,
                 Workspace& workspace, Team* team) {
  const int32_t num_tokens = workspace.batch.num_tokens();
  for (int32_t first = 0; first < num_tokens; first += kFeedForwardRows) {
    const int32_t rows = std::min(kFeedForwardRows, num_tokens - first);
    float* hidden = workspace.hidden_states.data() + first * workspace.hidden_stride;
    SharedGemm(kernels,
               {.a = hidden,
                .lda = workspace.hidden_stride,
                .b = weights.intermediate.panels,
                .bias = weights.intermediate.bias,
                .residual = nullptr,
                .c = workspace.intermediate.data(),
                .ldc = workspace.intermediate_stride,
                .m = rows,
                .n = weights.intermediate.out_padded,
                .k = weights.intermediate.in,
                .activation = config.hidden_act},
               team);
    SharedGemm(kernels,
               {.a = workspace.intermediate.data(),
                .lda = workspace.intermediate_stride,
                .b = weights.output.panels,
                .bias = weights.output.bias,
                .residual = hidden,
                .c = hidden,
                .ldc = workspace.hidden_stride,
                .m = rows,
                .n = weights.output.out_padded,
                .k = weights.output.in,
                .activation = kernels::Activation::kNone},
               team);
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
