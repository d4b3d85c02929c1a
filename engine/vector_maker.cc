#include "engine/vector_maker.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace attendant {
namespace {

std::vector<float> Copy(const HiddenRows& rows) {
  const auto width = static_cast<size_t>(rows.width);
  std::vector<float> values(static_cast<size_t>(rows.num_tokens) * width);
  for (int32_t i = 0; i < rows.num_tokens; ++i) {
    std::memcpy(values.data() + static_cast<size_t>(i) * width, rows.data + i * rows.stride, width * sizeof(float));
  }
  return values;
}

}  // namespace

int32_t VectorMaker::WholeDimension(const EmbedSpec& spec) const {
  if (spec.output == OutputKind::kTokens) return hidden_size_;
  if (spec.output == OutputKind::kSpans) return ProjectsSpans() ? dense_.back().linear.out : hidden_size_;
  if (!spec.pooling.empty()) return hidden_size_ * static_cast<int32_t>(spec.pooling.size());
  if (!sentence_.dense.empty()) return sentence_.dense.back().out_features;
  return hidden_size_ * static_cast<int32_t>(sentence_.pooling.size());
}

int32_t VectorMaker::Dimension(const EmbedSpec& spec) const {
  const int32_t whole = WholeDimension(spec);
  return spec.dimensions > 0 ? std::min(spec.dimensions, whole) : whole;
}

std::vector<float> VectorMaker::Make(const HiddenRows& rows, const TokenSequence& sequence,
                                     const EmbedSpec& spec) const {
  std::vector<float> vectors;
  switch (spec.output) {
    case OutputKind::kPooled:
      vectors = Pooled(rows, sequence, spec);
      break;
    case OutputKind::kTokens:
      vectors = Copy(rows);
      break;
    case OutputKind::kSpans:
      vectors = Spans(rows, spec);
      break;
  }
  Shape(spec, &vectors);
  return vectors;
}

bool VectorMaker::ProjectsSpans() const { return !dense_.empty() && dense_.front().linear.in == hidden_size_; }

std::vector<float> VectorMaker::Spans(const HiddenRows& rows, const EmbedSpec& spec) const {
  constexpr PoolingMode kMean[] = {PoolingMode::kMean};
  std::vector<float> vectors;
  for (const TokenRange& span : spec.spans) {
    const HiddenRows part{rows.data + span.begin * rows.stride, rows.stride, span.end - span.begin, rows.width};
    std::vector<float> mean(static_cast<size_t>(rows.width));
    Pool(part, kMean, 0, mean.data());
    if (ProjectsSpans()) mean = Project(std::move(mean));
    vectors.insert(vectors.end(), mean.begin(), mean.end());
  }
  return vectors;
}

void VectorMaker::Shape(const EmbedSpec& spec, std::vector<float>* vectors) const {
  const auto whole = static_cast<size_t>(WholeDimension(spec));
  const auto kept = static_cast<size_t>(Dimension(spec));
  if (kept < whole) {
    const size_t rows = vectors->size() / whole;
    for (size_t row = 0; row < rows; ++row) {
      std::memmove(vectors->data() + row * kept, vectors->data() + row * whole, kept * sizeof(float));
    }
    vectors->resize(rows * kept);
    vectors->shrink_to_fit();
  }
  if (!spec.normalize) return;
  for (size_t at = 0; at < vectors->size(); at += kept) NormalizeL2(vectors->data() + at, static_cast<int64_t>(kept));
}

std::vector<float> VectorMaker::Pooled(const HiddenRows& rows, const TokenSequence& sequence,
                                       const EmbedSpec& spec) const {
  const std::vector<PoolingMode>& modes = spec.pooling.empty() ? sentence_.pooling : spec.pooling;
  std::vector<float> values(modes.size() * static_cast<size_t>(rows.width));
  Pool(rows, modes, sequence.pooling_start, values.data());
  return spec.pooling.empty() ? Project(std::move(values)) : values;
}

std::vector<float> VectorMaker::Project(std::vector<float> values) const {
  for (const DenseWeights& dense : dense_) {
    std::vector<float> projected(static_cast<size_t>(dense.linear.out_padded));
    kernels_.gemm({.a = values.data(),
                   .lda = dense.linear.in,
                   .b = static_cast<const float*>(dense.linear.panels),
                   .bias = dense.linear.bias,
                   .residual = nullptr,
                   .c = projected.data(),
                   .ldc = dense.linear.out_padded,
                   .m = 1,
                   .n = dense.linear.out_padded,
                   .k = dense.linear.in,
                   .activation = dense.activation});
    projected.resize(static_cast<size_t>(dense.linear.out));
    values = std::move(projected);
  }
  return values;
}

}  // namespace attendant
