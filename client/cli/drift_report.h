// What `attendant compare` says of two sets of vectors of the same items: numbers, a table, a picture.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_DRIFT_REPORT_H_
#define ATTENDANT_CLIENT_CLI_DRIFT_REPORT_H_

#include <array>
#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "client/cli/canvas.h"
#include "client/lib/types.h"

namespace attendant::cli {

struct DriftSide {
  std::string server;
  client::ModelInfo model;
  std::vector<std::vector<float>> vectors;  // of the items that both sides answered, in order
};

struct DriftItem {
  size_t index;  // among the items given, from 0
  double cosine;
};

struct Drift {
  DriftSide first, second;
  std::vector<client::Item> items;  // all that were given
  std::vector<size_t> answered;     // indices of those that both sides answered
  // Of answered items, from the worst on; empty when the two sides' vectors differ in length.
  std::vector<DriftItem> cosines;
  size_t identical = 0;  // items with equal bytes
  double largest_difference = 0;
  // Of the first kMaxSpearmanItems items.
  std::vector<double> first_pairs, second_pairs;
  double spearman = 0;

  double worst() const { return cosines.empty() ? 0 : cosines.front().cosine; }
  double mean() const;
  // percent of the items are no better than this.
  double Percentile(double percent) const;
};

// The square of this many pairs is sorted twice.
inline constexpr size_t kMaxSpearmanItems = 1500;

// Fills in what follows from sides, items and answered.
void Measure(Drift* drift);

// Items by 1 - cosine: below 1e-9, then a power of ten each; the last has all from 0.1 on.
inline constexpr int kSmallestExponent = -9;
using DriftHistogram = std::array<size_t, 10>;
DriftHistogram HistogramOf(const Drift& drift);
std::string DriftBucketName(size_t bucket);

void PrintDriftTable(const Drift& drift, size_t num_worst, int columns, std::ostream& out);
void PrintDriftJson(const Drift& drift, size_t num_worst, std::ostream& out);
// Left: each pair's similarity, one side against the other. Right: the histogram.
Canvas DrawDrift(const Drift& drift);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_DRIFT_REPORT_H_
