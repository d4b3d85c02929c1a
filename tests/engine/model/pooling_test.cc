#include "engine/model/pooling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace attendant {
namespace {

// Three tokens, two features, a stride of three.
constexpr float kRows[] = {1, -4, 99, 3, 2, 99, 8, -1, 99};

std::vector<float> PoolAll(PoolingMode mode, int32_t start) {
  std::vector<float> out(2);
  Pool({kRows, 3, 3, 2}, {&mode, 1}, start, out.data());
  return out;
}

TEST(Pooling, EveryModeFollowsItsDefinition) {
  EXPECT_EQ(PoolAll(PoolingMode::kCls, 0), (std::vector<float>{1, -4}));
  EXPECT_EQ(PoolAll(PoolingMode::kLastToken, 0), (std::vector<float>{8, -1}));
  EXPECT_EQ(PoolAll(PoolingMode::kMax, 0), (std::vector<float>{8, 2}));
  EXPECT_EQ(PoolAll(PoolingMode::kMean, 0), (std::vector<float>{4, -1}));
  EXPECT_FLOAT_EQ(PoolAll(PoolingMode::kMeanSqrtLen, 0)[0], 12 / std::sqrt(3.0f));
  EXPECT_FLOAT_EQ(PoolAll(PoolingMode::kWeightedMean, 0)[0], (1 * 1 + 2 * 3 + 3 * 8) / 6.0f);
}

TEST(Pooling, APromptIsLeftOut) {
  EXPECT_EQ(PoolAll(PoolingMode::kCls, 1), (std::vector<float>{3, 2}));
  EXPECT_EQ(PoolAll(PoolingMode::kMean, 1), (std::vector<float>{5.5f, 0.5f}));
  EXPECT_EQ(PoolAll(PoolingMode::kMax, 2), (std::vector<float>{8, -1}));
  EXPECT_FLOAT_EQ(PoolAll(PoolingMode::kWeightedMean, 1)[0], (2 * 3 + 3 * 8) / 5.0f);
}

TEST(Pooling, NothingLeftGivesFiniteMeans) { EXPECT_EQ(PoolAll(PoolingMode::kMean, 9), (std::vector<float>{0, 0})); }

TEST(Pooling, MaxShowsNotANumber) {
  const float rows[] = {NAN, 1, 2, 3};
  const PoolingMode mode = PoolingMode::kMax;
  float out[2];
  Pool({rows, 2, 2, 2}, {&mode, 1}, 0, out);
  EXPECT_TRUE(std::isnan(out[0]));
}

TEST(NormalizeL2, GivesUnitLengthAndKeepsZero) {
  float x[] = {3, 4};
  NormalizeL2(x, 2);
  EXPECT_FLOAT_EQ(x[0], 0.6f);
  EXPECT_FLOAT_EQ(x[1], 0.8f);
  float zero[] = {0, 0};
  NormalizeL2(zero, 2);
  EXPECT_EQ(zero[0], 0.0f);
}

}  // namespace
}  // namespace attendant
