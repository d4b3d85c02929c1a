#include "engine/similarity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace attendant {
namespace {

constexpr SimilarityFunction kAll[] = {SimilarityFunction::kCosine, SimilarityFunction::kDot,
                                       SimilarityFunction::kEuclidean, SimilarityFunction::kManhattan};

float Of(SimilarityFunction function, const std::vector<float>& a, const std::vector<float>& b) {
  return SimilarityOf(function, MeasuredVector(a), MeasuredVector(b));
}

TEST(Similarity, IsWhatItsNameSays) {
  const std::vector<float> a = {3, 4, 0}, b = {0, 4, 3};
  EXPECT_FLOAT_EQ(Of(SimilarityFunction::kCosine, a, b), 16.0f / 25);
  EXPECT_FLOAT_EQ(Of(SimilarityFunction::kDot, a, b), 16);
  EXPECT_FLOAT_EQ(Of(SimilarityFunction::kEuclidean, a, b), -std::sqrt(18.0f));
  EXPECT_FLOAT_EQ(Of(SimilarityFunction::kManhattan, a, b), -6);
}

TEST(Similarity, AgreesWithThePlainSumAtEveryLength) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (size_t size = 1; size < 40; ++size) {
    std::vector<float> a(size), b(size);
    double dot = 0, squares = 0, absolutes = 0;
    for (size_t i = 0; i < size; ++i) {
      a[i] = normal(random);
      b[i] = normal(random);
      dot += double{a[i]} * b[i];
      squares += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
      absolutes += std::abs(double{a[i]} - b[i]);
    }
    EXPECT_NEAR(Of(SimilarityFunction::kDot, a, b), dot, 1e-5);
    EXPECT_NEAR(Of(SimilarityFunction::kEuclidean, a, b), -std::sqrt(squares), 1e-5);
    EXPECT_NEAR(Of(SimilarityFunction::kManhattan, a, b), -absolutes, 1e-5);
    for (const SimilarityFunction function : kAll) {
      EXPECT_EQ(Of(function, a, b), Of(function, b, a)) << "the same whichever comes first";
    }
    EXPECT_EQ(Of(SimilarityFunction::kCosine, a, a), 1.0f);
  }
}

TEST(Similarity, OfZerosIsANumber) {
  const std::vector<float> zeros(5), ones(5, 1.0f);
  for (const SimilarityFunction function : kAll) EXPECT_TRUE(std::isfinite(Of(function, zeros, ones)));
  EXPECT_EQ(Of(SimilarityFunction::kCosine, zeros, zeros), 0.0f);
}

}  // namespace
}  // namespace attendant
