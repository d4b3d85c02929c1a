#include "engine/attention_collector.h"

#include <algorithm>

namespace attendant {
namespace {

// Position of index among the wanted (all when empty), or -1. Lists are ascending.
int64_t PositionOf(const std::vector<int32_t>& wanted, int32_t index) {
  if (wanted.empty()) return index;
  const auto it = std::lower_bound(wanted.begin(), wanted.end(), index);
  return it != wanted.end() && *it == index ? it - wanted.begin() : -1;
}

int32_t CountOf(const std::vector<int32_t>& wanted, int32_t all) {
  return wanted.empty() ? all : static_cast<int32_t>(wanted.size());
}

}  // namespace

int64_t AttentionCollector::ResultSize(const AttentionSpec& spec, const ModelInfo& info, int32_t num_tokens) {
  const int64_t heads = spec.reduction == HeadReduction::kNone ? CountOf(spec.heads, info.num_heads) : 1;
  return CountOf(spec.layers, info.num_layers) * heads * CountOf(spec.query_rows, num_tokens) * num_tokens;
}

AttentionCollector::AttentionCollector(std::span<const SequenceTask> tasks, const PackedBatch& batch,
                                       const ModelInfo& info)
    : batch_(batch), info_(info), targets_(tasks.size()) {
  for (size_t i = 0; i < tasks.size(); ++i) {
    const SequenceTask& task = tasks[i];
    if (task.attention == nullptr) continue;
    const int32_t num_tokens = task.sequence->num_tokens();
    task.result->attention.assign(static_cast<size_t>(ResultSize(*task.attention, info, num_tokens)), 0.0f);
    targets_[i] = {task.attention, num_tokens, CountOf(task.attention->query_rows, num_tokens),
                   CountOf(task.attention->heads, info.num_heads), &task.result->attention};
  }
}

bool AttentionCollector::Wants(size_t sequence, int32_t layer, int32_t head) const {
  const AttentionSpec* spec = targets_[batch_.task_indices[sequence]].spec;
  return spec != nullptr && PositionOf(spec->layers, layer) >= 0 && PositionOf(spec->heads, head) >= 0;
}

void AttentionCollector::Take(const AttentionBlock& block) {
  const Target& target = targets_[batch_.task_indices[block.sequence]];
  const AttentionSpec& spec = *target.spec;
  const bool reduced = spec.reduction != HeadReduction::kNone;
  const int64_t heads = reduced ? 1 : target.num_heads;
  const int64_t plane =
      PositionOf(spec.layers, block.layer) * heads + (reduced ? 0 : PositionOf(spec.heads, block.head));
  for (int32_t row = 0; row < block.num_rows; ++row) {
    const int64_t at = PositionOf(spec.query_rows, block.first_row + row);
    if (at < 0) continue;
    TakeRow(target, block, row, target.values->data() + (plane * target.num_rows + at) * target.num_tokens);
  }
}

void AttentionCollector::TakeRow(const Target& target, const AttentionBlock& block, int32_t row, float* out) const {
  const float* scores = block.scores + row * block.stride;
  const float factor = block.inverse_sums[row];
  for (int32_t i = 0; i < block.num_tokens; ++i) {
    const float probability = scores[i] * factor;
    switch (target.spec->reduction) {
      case HeadReduction::kNone:
        out[i] = probability;
        break;
      case HeadReduction::kMean:
        out[i] += probability;
        break;
      case HeadReduction::kMax:
        out[i] = std::max(out[i], probability);
        break;
    }
  }
}

void AttentionCollector::Finish() {
  for (const Target& target : targets_) {
    if (target.spec == nullptr || target.spec->reduction != HeadReduction::kMean) continue;
    for (float& value : *target.values) value /= static_cast<float>(target.num_heads);
  }
}

}  // namespace attendant
