// Multi-head self-attention over a packed batch.
//
//   Attention(Q, K, V) = softmax(Q K^T / sqrt(d)) V, heads side by side, times the output matrix.
//   Vaswani et al., "Attention Is All You Need", 2017, section 3.2.
//
// Each sequence attends to itself only: the loop over sequences is the mask. Queries go in blocks, so that the scores
// of a block stay in L1 and the whole matrix never exists; whoever wants attention maps is shown each block as it
// passes (AttentionSink), which costs the other sequences nothing.
#ifndef ATTENDANT_ENGINE_MODEL_ATTENTION_H_
#define ATTENDANT_ENGINE_MODEL_ATTENTION_H_

#include <cstdint>

#include "engine/model/layer_context.h"
#include "engine/model/workspace.h"
#include "engine/team.h"

namespace attendant {

// A block of attention probabilities: probability[r][c] = scores[r * stride + c] * inverse_sums[r].
struct AttentionBlock {
  size_t sequence;  // index in the batch
  int32_t layer;
  int32_t head;
  int32_t first_row;
  int32_t num_rows;
  int32_t num_tokens;  // columns
  const float* scores;
  int64_t stride;
  const float* inverse_sums;
};

class AttentionSink {
 public:
  virtual ~AttentionSink() = default;
  virtual bool Wants(size_t sequence, int32_t layer, int32_t head) const = 0;
  virtual void Take(const AttentionBlock& block) = 0;
};

struct AttentionArgs : LayerContext {
  int32_t layer;
  AttentionSink* sink;  // may be null
};

// The three steps of hidden_states = LayerNorm(hidden_states + MultiHead(hidden_states)), in the workspace. The first
// and the last work on some rows of its batch: team (may be null) shares each product by columns, or several threads
// call at once with other rows and members. The step between works on the whole batch; the team takes heads.
void ProjectQueryKeyValue(const LayerContext& layer, const RowRange& rows, Workspace& workspace, Team* team);
void Attend(const AttentionArgs& args, Workspace& workspace, Team* team);
void ProjectContext(const LayerContext& layer, const RowRange& rows, Workspace& workspace, Team* team);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_ATTENTION_H_
