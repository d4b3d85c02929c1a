#include "engine/model/workspace.h"

#include "engine/kernels/kernels.h"

namespace attendant {

using kernels::PadToPanel;

Workspace::Workspace(const ModelConfig& config, int32_t max_tokens_)
    : max_tokens(max_tokens_),
      hidden_stride(PadToPanel(config.hidden_size)),
      qkv_stride(PadToPanel(3 * static_cast<int64_t>(config.hidden_size))),
      intermediate_stride(PadToPanel(config.intermediate_size)),
      scores_stride(PadToPanel(max_tokens_)),
      head_dim_padded(PadToPanel(config.head_dim)),
      hidden_states(max_tokens * hidden_stride),
      qkv(max_tokens * qkv_stride),
      context(max_tokens * hidden_stride),
      hidden_operand(max_tokens, config.hidden_size),
      query(max_tokens, config.hidden_size),
      head_scratch(kMaxTeamMembers),
      feed_forward_scratch(kMaxTeamMembers) {
  for (FeedForwardScratch& scratch : feed_forward_scratch) {
    scratch.intermediate = Buffer(kFeedForwardRows * intermediate_stride);
    scratch.operand = Operand(kFeedForwardRows, config.intermediate_size);
  }
  for (HeadScratch& scratch : head_scratch) {
    scratch.keys = Buffer(scores_stride * head_dim_padded);
    scratch.values = Buffer((max_tokens + 1) * head_dim_padded);
    scratch.scores = Buffer(kQueryBlock * scores_stride);
    scratch.head_context = Buffer(kQueryBlock * head_dim_padded);
    scratch.probabilities = Buffer(kQueryBlock * scores_stride / 2);
    scratch.value_scales = Buffer(head_dim_padded);
  }
}

}  // namespace attendant
