// The position-wise feed forward: two linear layers with an activation between. Vaswani et al., 2017, section 3.3.
#ifndef ATTENDANT_ENGINE_MODEL_FEED_FORWARD_H_
#define ATTENDANT_ENGINE_MODEL_FEED_FORWARD_H_

#include "engine/model/layer_context.h"
#include "engine/model/workspace.h"
#include "engine/team.h"

namespace attendant {

// hidden_states = LayerNorm(hidden_states + W2 act(W1 hidden_states + b1) + b2), in the workspace, over some rows of
// its batch. team (may be null) shares each product by columns; several threads may call at once with other rows and
// members instead.
void FeedForward(const LayerContext& layer, const RowRange& rows, Workspace& workspace, Team* team);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_FEED_FORWARD_H_
