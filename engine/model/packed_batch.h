// A batch as the encoder sees it: sequences end to end, no padding.
#ifndef ATTENDANT_ENGINE_MODEL_PACKED_BATCH_H_
#define ATTENDANT_ENGINE_MODEL_PACKED_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/sequence.h"

namespace attendant {

struct PackedBatch {
  // Borrowed for the run.
  std::vector<const TokenSequence*> sequences;
  // Position of each sequence in the caller's list; the two part when sequences are dropped.
  std::vector<size_t> task_indices;
  // [sequences + 1]: sequence i has the rows [cu_seqlens[i], cu_seqlens[i + 1]) of every activation matrix.
  std::vector<int32_t> cu_seqlens = {0};

  void Add(const TokenSequence* sequence, size_t task_index) {
    sequences.push_back(sequence);
    task_indices.push_back(task_index);
    cu_seqlens.push_back(cu_seqlens.back() + sequence->num_tokens());
  }
  void Clear() {
    sequences.clear();
    task_indices.clear();
    cu_seqlens.assign(1, 0);
  }
  size_t size() const { return sequences.size(); }
  int32_t num_tokens() const { return cu_seqlens.back(); }
  int32_t length(size_t i) const { return cu_seqlens[i + 1] - cu_seqlens[i]; }
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_PACKED_BATCH_H_
