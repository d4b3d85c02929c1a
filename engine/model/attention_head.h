// One head of self-attention over one sequence, in fp32 or int16. Called by attention.cc only.
#ifndef ATTENDANT_ENGINE_MODEL_ATTENTION_HEAD_H_
#define ATTENDANT_ENGINE_MODEL_ATTENTION_HEAD_H_

#include "engine/model/attention.h"

namespace attendant {

// One head of one sequence: where its query, key and value rows begin, all with the row stride of qkv.
struct Head {
  size_t sequence;
  int32_t index;
  int64_t first_row;  // of the sequence in the batch
  int32_t num_tokens;
  float* query;
  float* key;
  float* value;
  float* context;  // row stride hidden_stride
};

// A block of query rows.
struct RowBlock {
  int32_t first;
  int32_t rows;
};

// head.context = softmax(Q K^T) V; args.sink is shown the probabilities if it wants them.
void AttendHeadFp32(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch);
// Rows of the query part of qkv into workspace.query, for AttendHeadInt16.
void QuantizeQueries(const LayerContext& layer, int64_t first, int64_t rows, Workspace& workspace);
// The same with queries, keys, values and probabilities rounded to int16 of 10 to 14 bits: more exact than bf16 and,
// with or without VNNI, twice as fast as fp32. Sums are exact. Wants head_dim <= kernels::kMaxInt16HeadDim.
void AttendHeadInt16(const AttentionArgs& args, const Head& head, const Workspace& workspace, HeadScratch& scratch);

// Where a block of context rows is computed: in its place, or, for head sizes that are no multiple of the panel width,
// in scratch.head_context first.
class HeadContext {
 public:
  HeadContext(const Head& head, RowBlock block, int64_t head_dim, const Workspace& workspace, HeadScratch& scratch);
  // Brings the rows to their place.
  void Finish() const;

  float* rows;  // [block.rows, head_dim_padded]
  int64_t stride;

 private:
  float* target_;
  int64_t target_stride_;
  int64_t num_rows_;
  int64_t head_dim_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_ATTENTION_HEAD_H_
