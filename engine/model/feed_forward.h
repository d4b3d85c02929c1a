// The position-wise feed forward: two linear layers with an activation between. Vaswani et al., 2017, section 3.3.
#ifndef ATTENDANT_ENGINE_MODEL_FEED_FORWARD_H_
#define ATTENDANT_ENGINE_MODEL_FEED_FORWARD_H_

#include "engine/kernels/kernels.h"
#include "engine/model/model_config.h"
#include "engine/model/weights.h"
#include "engine/model/workspace.h"
#include "engine/team.h"

namespace attendant {

// hidden_states = LayerNorm(hidden_states + W2 act(W1 hidden_states + b1) + b2), in the workspace, over its batch.
// team may be null.
void FeedForward(const ModelConfig& config, const LayerWeights& weights, const kernels::KernelTable& kernels,
                 Workspace& workspace, Team* team);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_FEED_FORWARD_H_
