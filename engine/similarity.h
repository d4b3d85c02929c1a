// How alike two vectors are, as sentence-transformers' similarity functions say it: higher is more alike.
//
//   cosine     a.b / (|a| |b|)          dot        a.b
//   euclidean  -|a - b|                 manhattan  -sum |a_i - b_i|
//
// Sums run in double precision over eight interleaved lanes that are added in a fixed order: a score depends on its two
// vectors only, and not on which of them comes first. Thread-safety: free functions without state.
#ifndef ATTENDANT_ENGINE_SIMILARITY_H_
#define ATTENDANT_ENGINE_SIMILARITY_H_

#include <span>

#include "engine/sequence.h"

namespace attendant {

// A vector with its length, which every comparison of it needs. Borrows the values.
struct MeasuredVector {
  explicit MeasuredVector(std::span<const float> vector);

  std::span<const float> values;
  double norm;
};

// Of vectors of the same size. The cosine with a vector of zeros is 0.
float SimilarityOf(SimilarityFunction function, const MeasuredVector& a, const MeasuredVector& b);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_SIMILARITY_H_
