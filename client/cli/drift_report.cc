#include "client/cli/drift_report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cli/format.h"
#include "client/cli/vector_math.h"

namespace attendant::cli {
namespace {

constexpr int kLabelColumns = 14;
constexpr int kBarColumns = 40;

double LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

std::vector<double> FirstPairs(const DriftSide& side) {
  const size_t count = std::min(side.vectors.size(), kMaxSpearmanItems);
  return PairwiseCosines({side.vectors.begin(), side.vectors.begin() + static_cast<std::ptrdiff_t>(count)});
}

// NaN and infinity do not exist in JSON.
std::string JsonNumber(double value) { return std::isfinite(value) ? absl::StrCat(value) : "null"; }

std::string JsonSide(const DriftSide& side) {
  return absl::StrCat(
      "{\"server\": ", JsonString(side.server), ", \"model\": ", JsonString(side.model.name),
      ", \"fingerprint\": ", JsonString(side.model.fingerprint), ", \"precision\": ", JsonString(side.model.precision),
      ", \"kernels\": ", JsonString(side.model.kernels), ", \"dimension\": ", side.model.dimension, "}");
}

}  // namespace

double Drift::mean() const {
  double sum = 0;
  for (const DriftItem& item : cosines) sum += item.cosine;
  return sum / static_cast<double>(cosines.size());
}

double Drift::Percentile(double percent) const {
  if (cosines.empty()) return 0;
  const auto rank = static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(cosines.size())));
  return cosines[std::clamp<size_t>(rank, 1, cosines.size()) - 1].cosine;
}

void Measure(Drift* drift) {
  const auto& [first, second] = std::tie(drift->first.vectors, drift->second.vectors);
  for (size_t i = 0; i < drift->answered.size(); ++i) {
    if (first[i].size() != second[i].size()) continue;
    // Two vectors of zeros are alike, whatever their angle.
    const bool same = first[i] == second[i];
    drift->identical += same ? 1 : 0;
    drift->cosines.push_back({drift->answered[i], same ? 1.0 : Cosine(first[i], second[i])});
    drift->largest_difference = std::max(drift->largest_difference, LargestDifference(first[i], second[i]));
  }
  std::stable_sort(drift->cosines.begin(), drift->cosines.end(),
                   [](const DriftItem& a, const DriftItem& b) { return a.cosine < b.cosine; });
  drift->first_pairs = FirstPairs(drift->first);
  drift->second_pairs = FirstPairs(drift->second);
  drift->spearman = SpearmanCorrelation(drift->first_pairs, drift->second_pairs);
}

DriftHistogram HistogramOf(const Drift& drift) {
  DriftHistogram counts{};
  for (const DriftItem& item : drift.cosines) {
    const double distance = std::max(1 - item.cosine, 1e-300);
    const int exponent = static_cast<int>(std::floor(std::log10(distance)));
    const int bucket = std::clamp(exponent - kSmallestExponent + 1, 0, static_cast<int>(counts.size()) - 1);
    ++counts[static_cast<size_t>(bucket)];
  }
  return counts;
}

std::string DriftBucketName(size_t bucket) {
  if (bucket == 0) return absl::StrCat("< 1e", kSmallestExponent);
  return absl::StrCat(">= 1e", kSmallestExponent + static_cast<int>(bucket) - 1);
}

void PrintDriftTable(const Drift& drift, size_t num_worst, int columns, std::ostream& out) {
  const auto line = [&](const std::string& label, const std::string& text) {
    out << PaddedRight(label, kLabelColumns) << text << "\n";
  };
  const auto both = [&](const std::string& label, const std::string& first, const std::string& second) {
    line(label, absl::StrCat(PaddedRight(first, std::max(34, DisplayWidth(first) + 2)), second));
  };
  const client::ModelInfo& a = drift.first.model;
  const client::ModelInfo& b = drift.second.model;
  both("server", drift.first.server, drift.second.server);
  both("model", a.name, b.name);
  both("fingerprint", a.fingerprint, b.fingerprint);
  both("precision", absl::StrCat(a.precision, ", ", a.kernels), absl::StrCat(b.precision, ", ", b.kernels));
  both("dimension", absl::StrCat(a.dimension), absl::StrCat(b.dimension));
  line("items", absl::StrCat(WithCommas(static_cast<int64_t>(drift.answered.size())), " compared, ",
                             WithCommas(static_cast<int64_t>(drift.identical)), " of them with equal bytes"));
  if (drift.cosines.empty()) {
    line("cosine", "none: the vectors differ in length");
  } else {
    line("cosine", absl::StrCat("worst ", Fixed(drift.worst(), 6), ", 1 % ", Fixed(drift.Percentile(1), 6), ", 5 % ",
                                Fixed(drift.Percentile(5), 6), ", median ", Fixed(drift.Percentile(50), 6), ", mean ",
                                Fixed(drift.mean(), 6)));
    line("elements", absl::StrCat("differ by at most ", drift.largest_difference));
  }
  line("Spearman", absl::StrCat(Fixed(drift.spearman, 6), ", over the similarities of ",
                                WithCommas(static_cast<int64_t>(drift.first_pairs.size())), " pairs"));
  if (drift.cosines.empty()) return;
  out << "\n1 - cosine    items\n";
  const DriftHistogram counts = HistogramOf(drift);
  const size_t most = *std::max_element(counts.begin(), counts.end());
  for (size_t bucket = 0; bucket < counts.size(); ++bucket) {
    const size_t bar = (counts[bucket] * kBarColumns + most - 1) / most;
    line(DriftBucketName(bucket),
         absl::StrCat(PaddedLeft(WithCommas(static_cast<int64_t>(counts[bucket])), 9), "  ", std::string(bar, '#')));
  }
  out << "\nworst         item  text\n";
  for (size_t i = 0; i < std::min(num_worst, drift.cosines.size()); ++i) {
    const DriftItem& item = drift.cosines[i];
    line(Fixed(item.cosine, 6),
         absl::StrCat(PaddedLeft(absl::StrCat(item.index + 1), 4), "  ",
                      Shortened(ItemLabel(drift.items[item.index]), std::max(20, columns - 20))));
  }
}

void PrintDriftJson(const Drift& drift, size_t num_worst, std::ostream& out) {
  out << "{\"first\": " << JsonSide(drift.first) << ", \"second\": " << JsonSide(drift.second)
      << ", \"items\": " << drift.answered.size() << ", \"identical\": " << drift.identical << ", \"cosine\": ";
  if (drift.cosines.empty()) {
    out << "null";
  } else {
    out << "{\"worst\": " << JsonNumber(drift.worst()) << ", \"p1\": " << JsonNumber(drift.Percentile(1))
        << ", \"p5\": " << JsonNumber(drift.Percentile(5)) << ", \"median\": " << JsonNumber(drift.Percentile(50))
        << ", \"mean\": " << JsonNumber(drift.mean()) << "}";
  }
  out << ", \"largest_difference\": " << JsonNumber(drift.largest_difference)
      << ", \"spearman\": " << JsonNumber(drift.spearman) << ", \"pairs\": " << drift.first_pairs.size()
      << ", \"worst\": [";
  for (size_t i = 0; i < std::min(num_worst, drift.cosines.size()); ++i) {
    out << (i > 0 ? ", " : "") << "{\"item\": " << drift.cosines[i].index + 1
        << ", \"cosine\": " << JsonNumber(drift.cosines[i].cosine) << "}";
  }
  out << "]}\n";
}

}  // namespace attendant::cli
