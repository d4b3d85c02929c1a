// All scratch memory of one worker, allocated once; no allocation happens in a forward pass.
// Not thread-safe: one thread at a time.
#ifndef ATTENDANT_ENGINE_MODEL_WORKSPACE_H_
#define ATTENDANT_ENGINE_MODEL_WORKSPACE_H_

#include <cstdint>
#include <vector>

#include "engine/model/buffer.h"
#include "engine/model/linear.h"
#include "engine/model/model_config.h"
#include "engine/model/packed_batch.h"
#include "engine/team.h"

namespace attendant {

// Rows of queries whose scores are in flight at once: two register tiles, so that scores of 512 keys fit in L1.
inline constexpr int32_t kQueryBlock = 24;
// Rows that go through both halves of the feed forward before the next: their intermediate activations stay in L2.
inline constexpr int32_t kFeedForwardRows = 72;

// What one thread needs to attend with one head, in fp32 or in int16.
struct HeadScratch {
  Buffer keys;          // transposed: fp32 [scores_stride / 32][head_dim][32]; int16 as kernels::PackInt16Args says
  Buffer values;        // fp32 [head_dim_padded / 32][max_tokens][32]; int16 as kernels::PackInt16Args says
  Buffer scores;        // [kQueryBlock, scores_stride]
  Buffer head_context;  // [kQueryBlock, head_dim_padded], for head sizes that are no multiple of the panel width
  float inverse_sums[kQueryBlock];

  // int16 only.
  Buffer probabilities;  // int16 [kQueryBlock, scores_stride]
  float key_scale;
  Buffer value_scales;  // [head_dim_padded]
};

// What one thread needs to take a stretch of rows through the feed forward.
struct FeedForwardScratch {
  Buffer intermediate;  // [kFeedForwardRows, intermediate_stride]
  Operand operand;      // kFeedForwardRows rows of intermediate_size
};

// Rows [first, first + count) of every activation matrix, in the hands of one member of a team.
struct RowRange {
  int64_t first;
  int64_t count;
  int member;
};

class Workspace {
 public:
  Workspace(const ModelConfig& config, int32_t max_tokens);

  const int32_t max_tokens;
  // Row strides, multiples of the panel width; columns beyond the true width are zero.
  const int64_t hidden_stride;
  const int64_t qkv_stride;
  const int64_t intermediate_stride;
  const int64_t scores_stride;  // max_tokens
  const int64_t head_dim_padded;

  PackedBatch batch;
  Buffer hidden_states;    // [max_tokens, hidden_stride]
  Buffer qkv;              // [max_tokens, qkv_stride]: query, key, value
  Buffer context;          // [max_tokens, hidden_stride]
  Operand hidden_operand;  // max_tokens rows of hidden_size
  Operand query;           // int16 [max_tokens, hidden_size], one line longer: heads are read to whole panels
  // One per member of a team; memory of members who never come is never touched.
  std::vector<HeadScratch> head_scratch;
  std::vector<FeedForwardScratch> feed_forward_scratch;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_WORKSPACE_H_
