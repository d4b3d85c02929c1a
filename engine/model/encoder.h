// The Transformer encoder: embeddings, then per layer self-attention and feed forward. Reads like the paper.
// Devlin et al., "BERT", 2018 (post-layer-norm encoder, learned positions, token types).
//
// Thread-safety: immutable; any number of threads may call Forward, each with its own Workspace.
#ifndef ATTENDANT_ENGINE_MODEL_ENCODER_H_
#define ATTENDANT_ENGINE_MODEL_ENCODER_H_

#include <functional>

#include "engine/kernels/kernels.h"
#include "engine/model/attention.h"
#include "engine/model/model_config.h"
#include "engine/model/weights.h"
#include "engine/model/workspace.h"

namespace attendant {

// What every step reads. Borrows.
struct EncoderContext {
  const ModelConfig& config;
  const kernels::KernelTable& kernels;
};

// hidden_states = LayerNorm(word + token type + position) for workspace.batch, summed in transformers' order.
void EmbedTokens(const EncoderContext& context, const EmbeddingWeights& embeddings, Workspace& workspace);

// One layer over workspace.hidden_states. `index` is shown to the sink; sink and team may be null.
struct LayerArgs {
  const LayerWeights& weights;
  int32_t index;
  AttentionSink* sink;
  Team* team;
};
void RunLayer(const EncoderContext& context, const LayerArgs& args, Workspace& workspace);

class Encoder {
 public:
  // Borrows both.
  Encoder(const EncoderContext& context, const Weights& weights) : context_(context), weights_(weights) {}

  // True: the sequence with this task index is no longer wanted.
  using Abandoned = std::function<bool(size_t task_index)>;

  // Runs workspace.batch; the last hidden states are left in workspace.hidden_states, [num_tokens, hidden_size] with
  // stride hidden_stride. Sequences that `abandoned` (may be empty) names between layers leave the batch; the rows of
  // the others move up. sink (may be null) is shown attention blocks with indices into the batch of that moment.
  // team (may be null) shares the work.
  void Forward(Workspace& workspace, const Abandoned& abandoned, AttentionSink* sink, Team* team = nullptr) const;

 private:
  const EncoderContext context_;
  const Weights& weights_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_ENCODER_H_
