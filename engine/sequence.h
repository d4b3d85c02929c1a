// The plain data that crosses the engine's border: what one sequence is, what is wanted of it, what came out.
#ifndef ATTENDANT_ENGINE_SEQUENCE_H_
#define ATTENDANT_ENGINE_SEQUENCE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace attendant {

struct TokenSequence {
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;  // as long as input_ids
  // Leading tokens that pooling leaves out (a prompt of a model with include_prompt = false).
  int32_t pooling_start = 0;

  int32_t num_tokens() const { return static_cast<int32_t>(input_ids.size()); }
};

// In the order in which sentence-transformers concatenates several modes.
enum class PoolingMode { kCls, kMax, kMean, kMeanSqrtLen, kWeightedMean, kLastToken };

// Half-open.
struct TokenRange {
  int32_t begin = 0;
  int32_t end = 0;
  bool operator==(const TokenRange&) const = default;
};

// kSpans: the mean over each of EmbedSpec::spans, through the model's Dense layers if they take one such vector.
enum class OutputKind { kPooled, kTokens, kSpans };

struct EmbedSpec {
  OutputKind output = OutputKind::kPooled;
  // Empty: the model's own, followed by its Dense layers if it has them. Otherwise just these, in enum order.
  std::vector<PoolingMode> pooling;
  bool normalize = false;  // L2, each vector of the output
  // Each vector is cut to its first values, then normalised; 0: all of it. At most the output's dimension.
  int32_t dimensions = 0;
  std::vector<TokenRange> spans;  // with kSpans: each holds a token, and ends within the sequence
};

// How a model's vectors are compared (similarity.h).
enum class SimilarityFunction { kCosine, kDot, kEuclidean, kManhattan };

enum class HeadReduction { kNone, kMean, kMax };

// Indices in ascending order without duplicates; empty means all.
struct AttentionSpec {
  std::vector<int32_t> layers;
  std::vector<int32_t> heads;
  std::vector<int32_t> query_rows;
  HeadReduction reduction = HeadReduction::kNone;
};

struct SequenceResult {
  absl::Status status;
  bool abandoned = false;                      // dropped between layers; nothing below is set
  std::vector<float> embedding;                // [dimension], or [num_tokens or spans, dimension]
  std::vector<std::vector<float>> additional;  // one per additional output, in their order
  // [layers, heads (1 if reduced), query_rows, num_tokens], each row sums to 1 (unreduced)
  std::vector<float> attention;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_SEQUENCE_H_
