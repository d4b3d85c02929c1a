// Cosines, and how alike two sets of vectors order the same items.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_VECTOR_MATH_H_
#define ATTENDANT_CLIENT_CLI_VECTOR_MATH_H_

#include <vector>

namespace attendant::cli {

// NaN when they differ in length, are empty, or one is all zeros. In double precision.
double Cosine(const std::vector<float>& a, const std::vector<float>& b);

// Cosines of all pairs i < j, in the order (0,1), (0,2), ..., (1,2), ...
std::vector<double> PairwiseCosines(const std::vector<std::vector<float>>& vectors);

// Spearman's rank correlation: Pearson's of the ranks, where equal values share the mean of their ranks. NaN with fewer
// than two values, or when one side is constant. a and b have the same size.
double SpearmanCorrelation(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_VECTOR_MATH_H_
