#include "client/cli/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace attendant::cli {
namespace {

constexpr int kPrecisionBits = 10;
constexpr int64_t kHalf = int64_t{1} << kPrecisionBits;  // buckets per power of two

}  // namespace

// A value of b bits is shifted right until 11 bits are left: its mantissa, in [1024, 2048). The shift counts the power.
size_t Histogram::BucketOf(int64_t value) {
  const int bits = std::bit_width(static_cast<uint64_t>(value));
  const int shift = std::max(0, bits - kPrecisionBits - 1);
  return static_cast<size_t>(shift * kHalf + (value >> shift));
}

int64_t Histogram::UpperEdge(size_t bucket) {
  const auto index = static_cast<int64_t>(bucket);
  const int64_t shift = std::max<int64_t>(0, index / kHalf - 1);
  const int64_t mantissa = index - shift * kHalf;
  return ((mantissa + 1) << shift) - 1;
}

void Histogram::Record(int64_t value) {
  value = std::clamp<int64_t>(value, 0, kLargest);
  const size_t bucket = BucketOf(value);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
  ++count_;
}

int64_t Histogram::Percentile(double percent) const {
  if (count_ == 0) return 0;
  // 99.9 has no exact double; without the slack 99.9 % of 1000 would be 1000.
  constexpr double kSlack = 1e-6;
  const double rank = std::clamp(percent, 0.0, 100.0) * static_cast<double>(count_) / 100.0;
  const auto wanted = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(rank - kSlack)));
  int64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen >= wanted) return std::min(UpperEdge(bucket), max_);
  }
  return max_;
}

}  // namespace attendant::cli
