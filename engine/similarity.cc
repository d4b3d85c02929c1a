#include "engine/similarity.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace attendant {
namespace {

constexpr size_t kLanes = 8;

// sum of term(a_i, b_i).
template <typename Term>
double Sum(std::span<const float> a, std::span<const float> b, Term term) {
  std::array<double, kLanes> lanes{};
  const size_t whole = a.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(double{a[i + lane]}, double{b[i + lane]});
  }
  for (size_t i = whole; i < a.size(); ++i) lanes[i - whole] += term(double{a[i]}, double{b[i]});
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

double Dot(std::span<const float> a, std::span<const float> b) {
  return Sum(a, b, [](double x, double y) { return x * y; });
}

}  // namespace

MeasuredVector::MeasuredVector(std::span<const float> vector) : values(vector), norm(std::sqrt(Dot(vector, vector))) {}

float SimilarityOf(SimilarityFunction function, const MeasuredVector& a, const MeasuredVector& b) {
  switch (function) {
    case SimilarityFunction::kCosine: {
      const double lengths = a.norm * b.norm;
      // Rounding must not make two equal vectors more than equal.
      return lengths > 0 ? static_cast<float>(std::clamp(Dot(a.values, b.values) / lengths, -1.0, 1.0)) : 0.0f;
    }
    case SimilarityFunction::kDot:
      return static_cast<float>(Dot(a.values, b.values));
    case SimilarityFunction::kEuclidean:
      return static_cast<float>(
          -std::sqrt(Sum(a.values, b.values, [](double x, double y) { return (x - y) * (x - y); })));
    case SimilarityFunction::kManhattan:
      return static_cast<float>(-Sum(a.values, b.values, [](double x, double y) { return std::abs(x - y); }));
  }
  return 0;
}

}  // namespace attendant
