#include "engine/drift.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace attendant {
namespace {

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return aa > 0 && bb > 0 ? dot / std::sqrt(aa * bb) : (aa == bb ? 1.0 : 0.0);
}

std::vector<double> PairwiseCosines(const std::vector<std::vector<float>>& vectors) {
  std::vector<double> cosines;
  for (size_t i = 0; i < vectors.size(); ++i) {
    for (size_t j = i + 1; j < vectors.size(); ++j) cosines.push_back(Cosine(vectors[i], vectors[j]));
  }
  return cosines;
}

// Equal values share the mean of their ranks.
std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t first = 0; first < order.size();) {
    size_t end = first;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    for (size_t i = first; i < end; ++i) ranks[order[i]] = static_cast<double>(first + end - 1) / 2;
    first = end;
  }
  return ranks;
}

// Pearson's correlation of ranks. Without any variance there is no order to lose.
double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean = static_cast<double>(a.size() - 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  if (aa == 0) return 1.0;
  return bb == 0 ? 0.0 : ab / std::sqrt(aa * bb);
}

}  // namespace

Drift MeasureDrift(const std::vector<std::vector<float>>& reference, const std::vector<std::vector<float>>& found) {
  for (const auto* vectors : {&reference, &found}) {
    for (const std::vector<float>& vector : *vectors) {
      if (!std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); })) return {0.0, 0.0};
    }
  }
  Drift drift;
  for (size_t i = 0; i < reference.size(); ++i) {
    drift.worst_cosine = std::min(drift.worst_cosine, Cosine(reference[i], found[i]));
  }
  if (reference.size() > 2) {
    drift.spearman = Correlation(Ranks(PairwiseCosines(reference)), Ranks(PairwiseCosines(found)));
  }
  return drift;
}

DriftLimit LimitOf(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return {-1.0, -1.0};
    case Precision::kBf16:
      return {0.999, 0.999};
    case Precision::kInt8:
      break;
  }
  return {0.99, 0.995};
}

bool Passes(const Drift& drift, Precision precision) {
  const DriftLimit limit = LimitOf(precision);
  return drift.worst_cosine >= limit.worst_cosine && drift.spearman >= limit.spearman;
}

}  // namespace attendant
