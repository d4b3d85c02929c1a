#include "client/cli/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

namespace attendant::cli {
namespace {

using client::Item;
using client::TokenIds;

TEST(LengthsTest, LogNormalHasItsMeanAndItsLimits) {
  const LengthDistribution lengths = *ParseLengths("lognormal");
  std::mt19937_64 random(1);
  double sum = 0;
  int32_t smallest = 1000, largest = 0;
  constexpr int kCount = 50'000;
  for (int i = 0; i < kCount; ++i) {
    const int32_t length = lengths.Sample(random);
    sum += length;
    smallest = std::min(smallest, length);
    largest = std::max(largest, length);
  }
  EXPECT_NEAR(sum / kCount, 49, 2);
  EXPECT_EQ(smallest, 7);
  EXPECT_EQ(largest, 256);
}

TEST(LengthsTest, FixedAndWrong) {
  std::mt19937_64 random(1);
  EXPECT_EQ(ParseLengths("128")->Sample(random), 128);
  for (const char* wrong : {"", "0", "-3", "many", "1e9", "99999999999"})
    EXPECT_FALSE(ParseLengths(wrong).ok()) << wrong;
}

TEST(SyntheticTest, IdsAreOrdinaryOnesOfTheVocabulary) {
  for (const int32_t vocab_size : {30'522, 600, 2}) {
    for (const Item& item : SyntheticIds({.fixed = 200}, vocab_size, 20, 3)) {
      const auto& tokens = std::get<TokenIds>(item);
      EXPECT_EQ(tokens.input_ids.size(), 200u);
      EXPECT_FALSE(tokens.add_special_tokens);
      for (const int32_t id : tokens.input_ids) {
        EXPECT_GE(id, vocab_size > 2000 ? 1000 : vocab_size / 2);
        EXPECT_LT(id, vocab_size);
      }
    }
  }
}

TEST(SyntheticTest, TheSeedDecides) {
  const auto ids = [](uint64_t seed) {
    return std::get<TokenIds>(SyntheticIds({.fixed = 50}, 30'522, 1, seed)[0]).input_ids;
  };
  EXPECT_EQ(ids(1), ids(1));
  EXPECT_NE(ids(1), ids(2));
}

TEST(SyntheticTest, TextsHaveAWordForEveryTokenButTwo) {
  const std::string text = std::get<std::string>(SyntheticTexts({.fixed = 20}, 1, 1)[0]);
  EXPECT_EQ(std::count(text.begin(), text.end(), ' '), 17);
}

TEST(WorkloadTest, GoesRound) {
  const Workload workload({std::string("a"), std::string("b"), std::string("c")}, 2);
  std::string seen;
  for (int i = 0; i < 3; ++i) {
    for (const Item* item : workload.Request(i)) seen += std::get<std::string>(*item);
  }
  EXPECT_EQ(seen, "abcabc");
}

}  // namespace
}  // namespace attendant::cli
