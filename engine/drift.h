// How far vectors computed in a lower precision are from the fp32 ones, in the two ways that matter to a search: does a
// vector still point where it did, and does the order of similarities survive.
#ifndef ATTENDANT_ENGINE_DRIFT_H_
#define ATTENDANT_ENGINE_DRIFT_H_

#include <vector>

#include "engine/model/linear.h"

namespace attendant {

struct Drift {
  double worst_cosine = 1.0;  // of a text's vector to its fp32 vector, the least of all texts
  double spearman = 1.0;      // rank correlation of all pairwise cosine similarities
};

// reference and found: the vectors of the same texts in the same order, not necessarily of length 1. A vector that is
// not finite makes both figures 0.
Drift MeasureDrift(const std::vector<std::vector<float>>& reference, const std::vector<std::vector<float>>& found);

// What a precision must keep to be chosen.
struct DriftLimit {
  double worst_cosine;
  double spearman;
};
DriftLimit LimitOf(Precision precision);
bool Passes(const Drift& drift, Precision precision);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_DRIFT_H_
