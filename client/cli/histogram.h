// Counts of durations in buckets that grow with the value: any number of them in constant memory, each within 0.1 %.
//
// Values below 2048 have a bucket each; above, every power of two is cut into 1024 buckets, so a bucket's width is at
// most 1/1024 of its values. It is not thread-safe.
#ifndef ATTENDANT_CLIENT_CLI_HISTOGRAM_H_
#define ATTENDANT_CLIENT_CLI_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace attendant::cli {

class Histogram {
 public:
  // Negative values count as 0, values above kLargest as kLargest.
  void Record(int64_t value);

  int64_t count() const { return count_; }
  int64_t min() const { return count_ == 0 ? 0 : min_; }
  int64_t max() const { return max_; }
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The smallest recorded value (as exact as its bucket, rounded up, never above max) that at least this share of all
  // values do not exceed. 0 when empty.
  int64_t Percentile(double percent) const;

  static constexpr int64_t kLargest = int64_t{1} << 40;  // in microseconds more than twelve days

 private:
  static size_t BucketOf(int64_t value);
  static int64_t UpperEdge(size_t bucket);

  std::vector<int64_t> buckets_;  // as long as the largest value needed
  int64_t count_ = 0;
  int64_t min_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_HISTOGRAM_H_
