#include "engine/tokenizer/post_processor.h"

#include <gtest/gtest.h>

#include <numeric>

namespace attendant {
namespace {

using Kind = TemplatePiece::Kind;
constexpr TruncationSide kEnd = TruncationSide::kEnd, kStart = TruncationSide::kStart;

PostProcessor Bert() {
  PostProcessorSpec spec;
  spec.single = {{Kind::kSpecial, 0, {101}}, {Kind::kFirst, 0, {}}, {Kind::kSpecial, 0, {102}}};
  spec.pair = spec.single;
  spec.pair.push_back({Kind::kSecond, 1, {}});
  spec.pair.push_back({Kind::kSpecial, 1, {102}});
  return PostProcessor(spec);
}

std::vector<int32_t> Count(int32_t first, size_t n) {
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

ContentView View(const std::vector<int32_t>& ids) { return {ids, {}, {}, {}, ids.size()}; }

TEST(PostProcessorTest, PutsSpecialTokensAround) {
  const Encoding one = Bert().Apply(View({1, 2}), {});
  EXPECT_EQ(one.input_ids, (std::vector<int32_t>{101, 1, 2, 102}));
  EXPECT_EQ(one.token_type_ids, (std::vector<int32_t>{0, 0, 0, 0}));
  EXPECT_EQ(one.offsets.size(), 4u);
  const Encoding two = Bert().ApplyPair(View({1}), View({2, 3}), {});
  EXPECT_EQ(two.input_ids, (std::vector<int32_t>{101, 1, 102, 2, 3, 102}));
  EXPECT_EQ(two.token_type_ids, (std::vector<int32_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(Bert().num_special_tokens(false), 2);
  EXPECT_EQ(Bert().num_special_tokens(true), 3);
}

TEST(PostProcessorTest, TruncatesEitherSide) {
  const std::vector<int32_t> ids = Count(1, 5);
  const Encoding end = Bert().Apply(View(ids), {4, kEnd});
  EXPECT_EQ(end.input_ids, (std::vector<int32_t>{101, 1, 2, 102}));
  EXPECT_EQ(end.tokens_dropped, 3);
  const Encoding start = Bert().Apply(View(ids), {4, kStart});
  EXPECT_EQ(start.input_ids, (std::vector<int32_t>{101, 4, 5, 102}));
  EXPECT_EQ(start.tokens_dropped, 3);
  EXPECT_EQ(Bert().Apply(View(ids), {2, kStart}).input_ids, (std::vector<int32_t>{101, 102}));
  EXPECT_EQ(Bert().Apply(View(ids), {7, kEnd}).tokens_dropped, 0);
}

// Lengths before, limit on the content, lengths after.
TEST(PostProcessorTest, LongestFirst) {
  const int cases[][5] = {{0, 0, 7, 0, 0}, {0, 8, 7, 0, 7}, {2, 8, 7, 2, 5}, {4, 8, 7, 3, 4}, {8, 4, 7, 4, 3},
                          {8, 2, 7, 5, 2}, {8, 8, 7, 3, 4}, {9, 8, 7, 4, 3}, {3, 4, 7, 3, 4}, {20, 30, 7, 3, 4},
                          {5, 5, 0, 0, 0}, {5, 6, 1, 0, 1}, {6, 5, 1, 1, 0}, {4, 4, 8, 4, 4}, {5, 4, 8, 4, 4}};
  for (const auto& [first, second, limit, first_kept, second_kept] : cases) {
    const std::vector<int32_t> a = Count(1000, first), b = Count(2000, second);
    for (const TruncationSide side : {kEnd, kStart}) {
      const Encoding encoding = Bert().ApplyPair(View(a), View(b), {limit + 3, side});
      std::vector<int32_t> expected = {101};
      for (int i = 0; i < first_kept; ++i) expected.push_back(1000 + i + (side == kStart ? first - first_kept : 0));
      expected.push_back(102);
      for (int i = 0; i < second_kept; ++i) expected.push_back(2000 + i + (side == kStart ? second - second_kept : 0));
      expected.push_back(102);
      EXPECT_EQ(encoding.input_ids, expected) << first << " " << second << " " << limit;
      EXPECT_EQ(encoding.tokens_dropped, first + second - first_kept - second_kept);
    }
  }
}

// With a cut at the end, content need not be there beyond the limit.
TEST(PostProcessorTest, ContentMayStopAtTheLimit) {
  const std::vector<int32_t> kept = Count(1, 4);
  ContentView view = View(kept);
  view.total = 1000;
  const Encoding encoding = Bert().Apply(view, {6, kEnd});
  EXPECT_EQ(encoding.input_ids, (std::vector<int32_t>{101, 1, 2, 3, 4, 102}));
  EXPECT_EQ(encoding.tokens_dropped, 996);
}

TEST(PostProcessorTest, CallersTypeIdsStayWithTheirTokens) {
  const std::vector<int32_t> ids = {1, 2, 3}, types = {5, 6, 7};
  const Encoding encoding = Bert().Apply({ids, {}, types, {}, 3}, {4, kStart});
  EXPECT_EQ(encoding.token_type_ids, (std::vector<int32_t>{0, 6, 7, 0}));
}

TEST(PostProcessorTest, TrimsSpacesOfAddedTokens) {
  PostProcessorSpec spec;
  spec.trim_offsets = true;
  const std::vector<int32_t> ids = {1, 2, 3};
  const std::vector<Offset> offsets = {{0, 4}, {4, 9}, {9, 12}};
  const std::vector<SpacesInToken> spaces = {{0, 1, 0}, {1, 2, 1}};
  const ContentView view = {ids, offsets, {}, spaces, 3};
  EXPECT_EQ(PostProcessor(spec).Apply(view, {}).offsets, (std::vector<Offset>{{1, 4}, {6, 8}, {9, 12}}));
  spec.add_prefix_space = true;
  EXPECT_EQ(PostProcessor(spec).Apply(view, {}).offsets, (std::vector<Offset>{{0, 4}, {6, 8}, {9, 12}}));
  EXPECT_EQ(PostProcessor(spec).Apply(view, {2, kStart}).offsets, (std::vector<Offset>{{6, 8}, {9, 12}}));
}

}  // namespace
}  // namespace attendant
