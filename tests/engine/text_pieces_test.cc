#include "engine/text_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace attendant {
namespace {

using testing::ElementsAre;
using testing::FloatEq;
using testing::HasSubstr;

// [CLS] que ry : the cat s [SEP], prompt "query: ", text "the cats" behind it.
TokenizedItem Item() {
  TokenizedItem item;
  item.offsets = {{0, 0}, {0, 3}, {3, 5}, {5, 6}, {7, 10}, {11, 14}, {14, 15}, {0, 0}};
  item.sequence.input_ids.resize(item.offsets.size());
  item.prompt_chars = 7;
  return item;
}

std::vector<TokenRange> Found(const TokenizedItem& item, std::vector<Offset> spans) {
  auto found = SpanTokens(item, spans, Truncation::kEnd);
  EXPECT_TRUE(std::holds_alternative<std::vector<TokenRange>>(found));
  return std::get<std::vector<TokenRange>>(found);
}

InputError Error(const TokenizedItem& item, std::vector<Offset> spans, Truncation truncation = Truncation::kEnd) {
  auto found = SpanTokens(item, spans, truncation);
  EXPECT_TRUE(std::holds_alternative<InputError>(found));
  return std::get<InputError>(found);
}

TEST(SpanTokens, AreThoseThatLieInItIfOnlyInPart) {
  EXPECT_THAT(Found(Item(), {{0, 8}, {0, 1}, {2, 5}, {7, 8}, {3, 6}, {4, 100}}),
              ElementsAre(TokenRange{4, 7}, TokenRange{4, 5}, TokenRange{4, 6}, TokenRange{6, 7}, TokenRange{5, 6},
                          TokenRange{5, 7}));
}

TEST(SpanTokens, ErrorsNameTheSpan) {
  EXPECT_EQ(Error(Item(), {{0, 3}, {3, 4}}).field, "spans[1]");
  EXPECT_EQ(Error(Item(), {{-1, 3}}).field, "spans[0]");
  EXPECT_EQ(Error(Item(), {{2, 2}}).field, "spans[0]");
  EXPECT_EQ(Error(Item(), {{8, 2147483647}}).field, "spans[0]");
}

TEST(SpanTokens, WhatWasCutIsNoPartOfIt) {
  TokenizedItem item = Item();
  item.tokens_dropped = 2;
  const InputError error = Error(item, {{0, 8}, {4, 9}});
  EXPECT_EQ(error.field, "spans[1]");
  EXPECT_THAT(std::string(error.status.message()), HasSubstr("cut at 8"));
  item.offsets = {{0, 0}, {11, 14}, {14, 15}, {0, 0}};
  EXPECT_EQ(Error(item, {{4, 8}, {3, 8}}, Truncation::kStart).field, "spans[1]");
}

TEST(DroppedAt, IsTheBorderOfWhatWasKept) {
  TokenizedItem item = Item();
  EXPECT_FALSE(DroppedAt(item, Truncation::kEnd).has_value());
  item.tokens_dropped = 1;
  EXPECT_EQ(DroppedAt(item, Truncation::kEnd), 8);
  EXPECT_EQ(DroppedAt(item, Truncation::kStart), 0);
  item.offsets = {{0, 0}, {11, 14}, {14, 15}, {0, 0}};
  EXPECT_EQ(DroppedAt(item, Truncation::kStart), 4);
  item.offsets = {{0, 0}, {0, 3}, {0, 0}};  // the prompt took all the room
  EXPECT_EQ(DroppedAt(item, Truncation::kModelDefault), 0);
}

TEST(MeanOfWindows, IsWeightedAndLeavesASingleOneAsItIs) {
  const std::vector<std::vector<float>> two = {{1, 2}, {4, -1}};
  const int32_t weights[] = {2, 1};
  EXPECT_THAT(MeanOfWindows(two, weights), ElementsAre(2, 1));
  const std::vector<std::vector<float>> one = {{0.1f, 0.3f}};
  const int32_t seven[] = {7};
  EXPECT_EQ(MeanOfWindows(one, seven), one[0]);
}

TEST(NormalizeVector, GivesLengthOne) {
  std::vector<float> vector = {3, 4};
  NormalizeVector(&vector);
  EXPECT_THAT(vector, ElementsAre(FloatEq(0.6f), FloatEq(0.8f)));
}

}  // namespace
}  // namespace attendant
