// From the last hidden states of one sequence to the vectors that were asked for: pooled or as they are, through the
// model's Dense layers, cut, normalised; in this order.
//
// It is not: what decides whether they may be cut; nor how they are encoded (output_encoding.h).
// Thread-safety: immutable. Ownership: borrows all that it is made of.
#ifndef ATTENDANT_ENGINE_VECTOR_MAKER_H_
#define ATTENDANT_ENGINE_VECTOR_MAKER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/kernels.h"
#include "engine/model/model_config.h"
#include "engine/model/pooling.h"
#include "engine/model/weights.h"
#include "engine/sequence.h"

namespace attendant {

class VectorMaker {
 public:
  VectorMaker(int32_t hidden_size, const SentenceConfig& sentence, std::span<const DenseWeights> dense,
              const kernels::KernelTable& kernels)
      : hidden_size_(hidden_size), sentence_(sentence), dense_(dense), kernels_(kernels) {}

  // Floats in one vector of the output.
  int32_t Dimension(const EmbedSpec& spec) const;
  // [Dimension], or one vector per row.
  std::vector<float> Make(const HiddenRows& rows, const TokenSequence& sequence, const EmbedSpec& spec) const;
  // Cuts and normalises vectors that are whole and as the model made them. Any number, one after another.
  void Shape(const EmbedSpec& spec, std::vector<float>* vectors) const;

 private:
  int32_t WholeDimension(const EmbedSpec& spec) const;
  std::vector<float> Pooled(const HiddenRows& rows, const TokenSequence& sequence, const EmbedSpec& spec) const;
  std::vector<float> Spans(const HiddenRows& rows, const EmbedSpec& spec) const;
  // Do the Dense layers take the mean of tokens?
  bool ProjectsSpans() const;
  // Through the Dense layers, if there are any.
  std::vector<float> Project(std::vector<float> values) const;

  const int32_t hidden_size_;
  const SentenceConfig& sentence_;
  const std::span<const DenseWeights> dense_;
  const kernels::KernelTable& kernels_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_VECTOR_MAKER_H_
