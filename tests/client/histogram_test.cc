#include "client/cli/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace attendant::cli {
namespace {

TEST(HistogramTest, EmptyIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.Percentile(50), 0);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram histogram;
  for (int64_t value = 1; value <= 1000; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.Percentile(50), 500);
  EXPECT_EQ(histogram.Percentile(99), 990);
  EXPECT_EQ(histogram.Percentile(99.9), 999);
  EXPECT_EQ(histogram.Percentile(100), 1000);
  EXPECT_EQ(histogram.Percentile(0), 1);
  EXPECT_DOUBLE_EQ(histogram.mean(), 500.5);
}

TEST(HistogramTest, AllPercentilesAreWithinAThousandthOfTheTruth) {
  std::mt19937_64 random(5);
  std::vector<int64_t> values;
  Histogram histogram;
  for (int i = 0; i < 20'000; ++i) {
    // From microseconds to hours.
    const auto value = static_cast<int64_t>(std::exp(static_cast<double>(random() % 100'000) / 100'000 * 22));
    values.push_back(value);
    histogram.Record(value);
  }
  std::sort(values.begin(), values.end());
  for (size_t half_percent = 1; half_percent <= 200; ++half_percent) {
    const double percent = static_cast<double>(half_percent) / 2;
    const size_t rank = (half_percent * values.size() + 199) / 200;  // in whole numbers, rounded up
    const int64_t exact = values[rank - 1];
    const int64_t found = histogram.Percentile(percent);
    EXPECT_GE(found, exact);
    EXPECT_LE(static_cast<double>(found - exact), static_cast<double>(exact) / 1024) << percent;
  }
  EXPECT_EQ(histogram.min(), values.front());
  EXPECT_EQ(histogram.max(), values.back());
}

TEST(HistogramTest, EveryPowerOfTwoAndItsNeighbours) {
  for (int bit = 0; bit < 40; ++bit) {
    for (const int64_t offset : {-1, 0, 1}) {
      const int64_t value = (int64_t{1} << bit) + offset;
      Histogram histogram;
      histogram.Record(value);
      histogram.Record(Histogram::kLargest);
      const int64_t found = histogram.Percentile(50);
      EXPECT_GE(found, value);
      EXPECT_LE(found, value + value / 1024);
    }
  }
}

TEST(HistogramTest, WhatIsOutOfRangeCountsAtTheEnds) {
  Histogram histogram;
  histogram.Record(-5);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), Histogram::kLargest);
  EXPECT_EQ(histogram.count(), 2);
}

}  // namespace
}  // namespace attendant::cli
