#include "engine/model/encoder.h"

#include <algorithm>
#include <cstring>

#include "engine/model/feed_forward.h"
#include "engine/model/tensor_source.h"

namespace attendant {
namespace {

// Takes the abandoned sequences out of the batch and closes the gaps. A row's later values depend on its own sequence
// only, so moving it does not change them.
void DropAbandoned(Workspace& workspace, const Encoder::Abandoned& abandoned) {
  PackedBatch& batch = workspace.batch;
  PackedBatch kept;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (abandoned(batch.task_indices[i])) continue;
    const int64_t from = batch.cu_seqlens[i];
    const int64_t to = kept.num_tokens();
    if (from != to) {
      std::memmove(workspace.hidden_states.data() + to * workspace.hidden_stride,
                   workspace.hidden_states.data() + from * workspace.hidden_stride,
                   sizeof(float) * static_cast<size_t>(batch.length(i) * workspace.hidden_stride));
    }
    kept.Add(batch.sequences[i], batch.task_indices[i]);
  }
  if (kept.size() != batch.size()) batch = std::move(kept);
}

// A team shares few rows by the columns of each product, because every stretch of rows streams all weights through its
// thread's cache; more rows by stretches, because then nothing crosses between caches but keys and values.
constexpr int64_t kLeastRowsToSplit = 48;

int PartsOf(int64_t rows, int team_size) {
  return static_cast<int>(std::min<int64_t>(2 * team_size, rows / (kLeastRowsToSplit / 2)));
}

}  // namespace

void EmbedTokens(const EncoderContext& context, const EmbeddingWeights& embeddings, Workspace& workspace) {
  const PackedBatch& batch = workspace.batch;
  const int64_t width = context.config.hidden_size;
  for (size_t s = 0; s < batch.size(); ++s) {
    const TokenSequence& sequence = *batch.sequences[s];
    for (int32_t position = 0; position < batch.length(s); ++position) {
      float* row = workspace.hidden_states.data() + (batch.cu_seqlens[s] + position) * workspace.hidden_stride;
      const size_t at = static_cast<size_t>(position);
      ReadFloats(embeddings.word, sequence.input_ids[at] * width, width, row);
      const float* type = embeddings.token_type + sequence.token_type_ids[at] * width;
      const float* place = embeddings.position + position * width;
      for (int64_t i = 0; i < width; ++i) row[i] = (row[i] + type[i]) + place[i];
    }
  }
  context.kernels.layer_norm({.x = workspace.hidden_states.data(),
                              .stride = workspace.hidden_stride,
                              .gamma = embeddings.norm.gamma,
                              .beta = embeddings.norm.beta,
                              .m = batch.num_tokens(),
                              .n = width,
                              .epsilon = context.config.layer_norm_eps});
}

void RunLayer(const EncoderContext& context, const LayerArgs& args, Workspace& workspace) {
  const AttentionArgs layer{{context.config, args.weights, context.kernels}, args.index, args.sink};
  const int64_t rows = workspace.batch.num_tokens();
  const int team_size = args.team == nullptr ? 1 : args.team->size();
  if (team_size == 1 || rows < kLeastRowsToSplit) {
    // Who joins a team of one during this layer finds work in the next.
    Team* team = team_size == 1 ? nullptr : args.team;
    const RowRange all{0, rows, 0};
    ProjectQueryKeyValue(layer, all, workspace, team);
    Attend(layer, workspace, team);
    ProjectContext(layer, all, workspace, team);
    return FeedForward(layer, all, workspace, team);
  }
  const int parts = PartsOf(rows, team_size);
  const auto range = [&](int part, int member) {
    const int64_t first = rows * part / parts;
    return RowRange{first, rows * (part + 1) / parts - first, member};
  };
  args.team->ParallelFor(
      parts, [&](int part, int member) { ProjectQueryKeyValue(layer, range(part, member), workspace, nullptr); });
  Attend(layer, workspace, args.team);
  args.team->ParallelFor(parts, [&](int part, int member) {
    ProjectContext(layer, range(part, member), workspace, nullptr);
    FeedForward(layer, range(part, member), workspace, nullptr);
  });
}

void Encoder::Forward(Workspace& workspace, const Abandoned& abandoned, AttentionSink* sink, Team* team) const {
  EmbedTokens(context_, weights_.embeddings, workspace);
  for (size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    if (layer > 0 && abandoned) DropAbandoned(workspace, abandoned);
    if (workspace.batch.size() == 0) return;
    RunLayer(context_, {weights_.layers[layer], static_cast<int32_t>(layer), sink, team}, workspace);
  }
}

}  // namespace attendant
