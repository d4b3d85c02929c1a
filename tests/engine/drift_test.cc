#include "engine/drift.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attendant {
namespace {

using Vectors = std::vector<std::vector<float>>;

// Unit vectors in the plane, by angle in degrees.
Vectors AtAngles(const std::vector<double>& degrees) {
  Vectors vectors;
  for (const double angle : degrees) {
    const double radians = angle * 3.14159265358979 / 180;
    vectors.push_back({static_cast<float>(std::cos(radians)), static_cast<float>(std::sin(radians))});
  }
  return vectors;
}

TEST(Drift, SameVectorsDoNotDrift) {
  const Vectors vectors = AtAngles({0, 10, 35, 80});
  const Drift drift = MeasureDrift(vectors, vectors);
  EXPECT_NEAR(drift.worst_cosine, 1, 1e-6);
  EXPECT_NEAR(drift.spearman, 1, 1e-12);
}

TEST(Drift, TheWorstTextCounts) {
  const Drift drift = MeasureDrift(AtAngles({0, 10, 35, 80}), AtAngles({1, 10, 35, 50}));
  EXPECT_NEAR(drift.worst_cosine, std::cos(30 * 3.14159265358979 / 180), 1e-6);
}

TEST(Drift, LengthsDoNotMatter) {
  const Vectors reference = AtAngles({0, 10, 35});
  Vectors longer = reference;
  for (auto& vector : longer) {
    for (float& x : vector) x *= 7;
  }
  EXPECT_NEAR(MeasureDrift(reference, longer).worst_cosine, 1, 1e-6);
}

// Similarities fall with the angle between. Reference: 12 at 10, 13 at 35, 23 at 25 degrees; found: 10, 26, 36: the
// order of the last two is exchanged. Ranks (1 2 3) against (1 3 2) correlate by 1/2.
TEST(Drift, SpearmanSeesTheOrderOfSimilarities) {
  const Drift drift = MeasureDrift(AtAngles({0, 10, 35}), AtAngles({0, -10, 26}));
  EXPECT_NEAR(drift.spearman, 0.5, 1e-9);
}

// Ranks of (a, a, b) are (1.5, 1.5, 3) or so; against a strict order (1 2 3) that is sqrt(3) / 2.
TEST(Drift, TiesShareTheirRank) {
  const Vectors tied = {{1, 0}, {0, 1}, {-1, 0}};  // 12 and 23 at 90 degrees, 13 at 180
  const Vectors strict = AtAngles({0, 80, 180});   // 80, 180, 100
  EXPECT_NEAR(MeasureDrift(tied, strict).spearman, std::sqrt(3.0) / 2, 1e-9);
}

TEST(Drift, VectorsThatAreAllTheSameHaveNoOrderToLose) {
  const Vectors same(4, std::vector<float>{1, 2});
  EXPECT_EQ(MeasureDrift(same, same).spearman, 1);
  EXPECT_EQ(MeasureDrift(AtAngles({0, 10, 35, 80}), same).spearman, 0);
}

TEST(Drift, WhatIsNotFiniteHasDriftedAway) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const Vectors good = {{1, 0}, {0, 1}, {1, 1}};
    Vectors broken = good;
    broken[1][0] = bad;
    EXPECT_EQ(MeasureDrift(good, broken).worst_cosine, 0);
    EXPECT_EQ(MeasureDrift(good, broken).spearman, 0);
    EXPECT_EQ(MeasureDrift(broken, good).worst_cosine, 0);
    EXPECT_FALSE(Passes(MeasureDrift(good, broken), Precision::kInt8));
  }
}

TEST(Drift, TheLimitsAreThePromisedOnes) {
  EXPECT_TRUE(Passes({.worst_cosine = 0.99, .spearman = 0.995}, Precision::kInt8));
  EXPECT_FALSE(Passes({.worst_cosine = 0.9899, .spearman = 1}, Precision::kInt8));
  EXPECT_FALSE(Passes({.worst_cosine = 1, .spearman = 0.9949}, Precision::kInt8));
  EXPECT_TRUE(Passes({.worst_cosine = 0.999, .spearman = 0.999}, Precision::kBf16));
  EXPECT_FALSE(Passes({.worst_cosine = 0.9989, .spearman = 1}, Precision::kBf16));
  EXPECT_FALSE(Passes({.worst_cosine = 1, .spearman = 0.9989}, Precision::kBf16));
  EXPECT_TRUE(Passes({.worst_cosine = 0, .spearman = 0}, Precision::kFp32));
}

}  // namespace
}  // namespace attendant
