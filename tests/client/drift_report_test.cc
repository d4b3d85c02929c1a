#include "client/cli/drift_report.h"

#include <cmath>
#include <sstream>

#include "client/cli/vector_math.h"
#include "gmock/gmock.h"

namespace attendant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Drift DriftOf(std::vector<std::vector<float>> first, std::vector<std::vector<float>> second) {
  Drift drift;
  for (size_t i = 0; i < first.size(); ++i) {
    drift.items.emplace_back("text " + std::to_string(i));
    drift.answered.push_back(i);
  }
  drift.first = {"one:1", {.name = "a", .precision = "fp32"}, std::move(first)};
  drift.second = {"two:2", {.name = "b", .precision = "int8"}, std::move(second)};
  Measure(&drift);
  return drift;
}

TEST(VectorMath, CosineOfWhatHasNone) {
  EXPECT_DOUBLE_EQ(Cosine({3, 4}, {4, 3}), 24.0 / 25.0);
  EXPECT_DOUBLE_EQ(Cosine({1, 0}, {-2, 0}), -1.0);
  EXPECT_TRUE(std::isnan(Cosine({1, 2}, {1, 2, 3})));
  EXPECT_TRUE(std::isnan(Cosine({}, {})));
  EXPECT_TRUE(std::isnan(Cosine({0, 0}, {1, 0})));
}

TEST(VectorMath, SpearmanLooksAtRanksOnly) {
  EXPECT_DOUBLE_EQ(SpearmanCorrelation({1, 2, 3, 4}, {10, 100, 1000, 10000}), 1.0);
  EXPECT_DOUBLE_EQ(SpearmanCorrelation({1, 2, 3, 4}, {4, 3, 2, 1}), -1.0);
  // By hand: ranks (0, 1.5, 1.5, 3) and (0, 1, 2, 3); covariance 4.5, variances 4.5 and 5.
  EXPECT_DOUBLE_EQ(SpearmanCorrelation({1, 2, 2, 3}, {1, 2, 3, 4}), 4.5 / std::sqrt(4.5 * 5));
  EXPECT_TRUE(std::isnan(SpearmanCorrelation({1, 1}, {1, 2})));
  EXPECT_TRUE(std::isnan(SpearmanCorrelation({}, {})));
}

TEST(DriftReport, WorstItemsComeFirst) {
  const Drift drift = DriftOf({{1, 0}, {0, 1}, {1, 0}}, {{1, 0}, {1, 1}, {1, 0.001f}});
  ASSERT_EQ(drift.cosines.size(), 3u);
  EXPECT_EQ(drift.cosines[0].index, 1u);
  EXPECT_NEAR(drift.worst(), std::sqrt(0.5), 1e-7);
  EXPECT_EQ(drift.cosines[2].index, 0u);
  EXPECT_EQ(drift.identical, 1u);
  EXPECT_DOUBLE_EQ(drift.largest_difference, 1.0);
  EXPECT_EQ(drift.Percentile(1), drift.worst());
  EXPECT_EQ(drift.Percentile(50), drift.cosines[1].cosine);
  EXPECT_EQ(drift.Percentile(100), 1.0);
  EXPECT_THAT(HistogramOf(drift), ElementsAre(1, 0, 0, 1, 0, 0, 0, 0, 0, 1));
}

TEST(DriftReport, TableAndJsonSayTheSame) {
  const Drift drift = DriftOf({{1, 0}, {0, 1}, {1, 1}}, {{1, 0}, {1, 1}, {1, 1}});
  std::ostringstream table, json;
  PrintDriftTable(drift, 1, 80, table);
  PrintDriftJson(drift, 1, json);
  EXPECT_THAT(table.str(), HasSubstr("3 compared, 2 of them with equal bytes"));
  EXPECT_THAT(table.str(), HasSubstr("worst 0.707107"));
  EXPECT_THAT(table.str(), HasSubstr("0.707107         2  text 1\n"));
  EXPECT_THAT(table.str(), ::testing::Not(HasSubstr("text 0")));
  EXPECT_THAT(json.str(), HasSubstr("\"identical\": 2"));
  EXPECT_THAT(json.str(), HasSubstr("\"worst\": [{\"item\": 2, \"cosine\": 0.707107"));
}

TEST(DriftReport, ModelsOfDifferentDimensionsStillRankPairs) {
  const Drift drift = DriftOf({{1, 0}, {0.9f, 0.1f}, {0, 1}}, {{1, 0, 0}, {0.8f, 0.1f, 0}, {0, 0, 1}});
  EXPECT_TRUE(drift.cosines.empty());
  EXPECT_DOUBLE_EQ(drift.spearman, SpearmanCorrelation(drift.first_pairs, drift.second_pairs));
  EXPECT_GT(drift.spearman, 0.8);
  std::ostringstream table, json;
  PrintDriftTable(drift, 5, 80, table);
  PrintDriftJson(drift, 5, json);
  EXPECT_THAT(table.str(), HasSubstr("the vectors differ in length"));
  EXPECT_THAT(json.str(), HasSubstr("\"cosine\": null"));
}

TEST(DriftReport, ThePictureShowsAgreementAsADiagonal) {
  const std::vector<std::vector<float>> vectors = {{1, 0}, {0.6f, 0.8f}, {0, 1}, {-1, 0}};
  const Canvas same = DrawDrift(DriftOf(vectors, vectors));
  const Canvas apart = DrawDrift(DriftOf(vectors, {{1, 0}, {0, 1}, {-1, 0}, {0.6f, 0.8f}}));
  int dots = 0, differ = 0;
  for (int y = 0; y < same.height(); ++y) {
    for (int x = 0; x < same.width(); ++x) {
      dots += same.at(x, y) == Color{70, 25, 110} ? 1 : 0;
      differ += same.at(x, y) == apart.at(x, y) ? 0 : 1;
    }
  }
  EXPECT_GE(dots, 4 * 4);  // of six pairs, some at the same place
  EXPECT_GT(differ, 0);
  EXPECT_TRUE(same.EncodePng().ok());
}

}  // namespace
}  // namespace attendant::cli
