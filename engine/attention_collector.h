// Puts the attention blocks that tasks asked for into their results, reduced over heads where wanted.
// Not thread-safe: one per run of a batch.
#ifndef ATTENDANT_ENGINE_ATTENTION_COLLECTOR_H_
#define ATTENDANT_ENGINE_ATTENTION_COLLECTOR_H_

#include <cstdint>
#include <span>
#include <vector>

#include "engine/embedder.h"
#include "engine/model/attention.h"
#include "engine/model/packed_batch.h"

namespace attendant {

class AttentionCollector final : public AttentionSink {
 public:
  // All borrowed. batch: the one that blocks refer to, as it shrinks.
  AttentionCollector(std::span<const SequenceTask> tasks, const PackedBatch& batch, const ModelInfo& info);

  bool Wants(size_t sequence, int32_t layer, int32_t head) const override;
  void Take(const AttentionBlock& block) override;

  // After the last layer: divides the sums of HeadReduction::kMean.
  void Finish();

  // Floats in the result of one task.
  static int64_t ResultSize(const AttentionSpec& spec, const ModelInfo& info, int32_t num_tokens);

 private:
  struct Target {
    const AttentionSpec* spec = nullptr;  // null: nothing wanted
    int32_t num_tokens = 0;
    int32_t num_rows = 0;
    int32_t num_heads = 0;  // asked for
    std::vector<float>* values = nullptr;
  };

  void TakeRow(const Target& target, const AttentionBlock& block, int32_t row, float* out) const;

  const PackedBatch& batch_;
  const ModelInfo& info_;
  std::vector<Target> targets_;  // by task
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_ATTENTION_COLLECTOR_H_
