#include "engine/tokenizer/normalizer.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/tokenizer/utf8.h"

namespace attendant {
namespace {

using enum NormalizerStep;

std::string Text(const std::vector<NormalizedChar>& chars) {
  std::string text;
  for (const NormalizedChar& n : chars) utf8::Append(n.c, text);
  return text;
}

std::vector<uint32_t> Sources(const std::vector<NormalizedChar>& chars) {
  std::vector<uint32_t> sources;
  for (const NormalizedChar& n : chars) sources.push_back(n.source);
  return sources;
}

std::string Apply(std::string_view text, const std::vector<NormalizerStep>& steps) {
  return Text(Normalize(text, 0, steps));
}

TEST(NormalizerTest, CleanRemovesControlsAndEvensSpaces) {
  EXPECT_EQ(Apply("a\tb\nc\rd\u00a0e\u3000f", {kClean}), "a b c d e f");
  EXPECT_EQ(Apply("a\vb\fc\u0085d\u200be\u00adf\ufffdg\ue000h\u007fi", {kClean}), "abcdefghi");
  EXPECT_EQ(Apply(std::string_view("a\0b", 3), {kClean}), "ab");
}

TEST(NormalizerTest, SpacesAroundChinese) {
  EXPECT_EQ(Apply("a\u4e00b", {kSpaceChinese}), "a \u4e00 b");
  EXPECT_EQ(Apply("\u3042\uac00", {kSpaceChinese}), "\u3042\uac00");
  // U+2B820 to U+2B91F is left out, as in the package.
  EXPECT_EQ(Apply("\U0002B820\U0002B920", {kSpaceChinese}), "\U0002B820 \U0002B920 ");
  EXPECT_EQ(Sources(Normalize("a\u4e00", 5, std::vector{kSpaceChinese})), (std::vector<uint32_t>{5, 6, 6, 6}));
}

TEST(NormalizerTest, LowercaseIsByCharacter) {
  EXPECT_EQ(Apply("\u00c9\u03a3\u1e9e", {kLowercase}), "\u00e9\u03c3\u00df");
  // No final sigma; one letter that becomes two.
  EXPECT_EQ(Apply("\u039f\u03a3", {kLowercase}), "\u03bf\u03c3");
  EXPECT_EQ(Apply("\u0130x", {kLowercase}), "i\u0307x");
  EXPECT_EQ(Sources(Normalize("\u0130x", 0, std::vector{kLowercase})), (std::vector<uint32_t>{0, 0, 1}));
}

TEST(NormalizerTest, DecomposesHangul) {
  EXPECT_EQ(Apply("\uac00\uac01\ud7a3", {kNfd}), "\u1100\u1161\u1100\u1161\u11a8\u1112\u1175\u11c2");
}

TEST(NormalizerTest, MarksAreSortedStably) {
  EXPECT_EQ(Apply("a\u0301\u0323\u0300", {kNfd}), "a\u0323\u0301\u0300");
  EXPECT_EQ(Apply("\u0301\u0323", {kNfd}), "\u0323\u0301");
}

// Places are handed out in the new order, they do not travel with the marks.
TEST(NormalizerTest, SourcesStayInOrder) {
  EXPECT_EQ(Sources(Normalize("a\u0301\u0323b", 0, std::vector{kNfd})), (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(Sources(Normalize("\u00e9\u0323b", 0, std::vector{kNfd})), (std::vector<uint32_t>{0, 1, 1, 2}));
}

TEST(NormalizerTest, TheTwoWaysOfStrippingDiffer) {
  // U+0903 is a spacing mark.
  EXPECT_EQ(Apply("\u0915\u0903\u0301", {kStripNonspacingMarks}), "\u0915\u0903");
  EXPECT_EQ(Apply("\u0915\u0903\u0301", {kStripMarks}), "\u0915");
}

TEST(NormalizerTest, StripTakesWhiteSpaceAtTheEnds) {
  EXPECT_EQ(Apply(" \u3000a b\n ", {kStripLeft}), "a b\n ");
  EXPECT_EQ(Apply(" \u3000a b\n ", {kStripRight}), " \u3000a b");
  EXPECT_EQ(Apply(" \n ", {kStripLeft, kStripRight}), "");
  EXPECT_EQ(Apply("", {kStripLeft, kStripRight, kNfd, kClean, kLowercase}), "");
}

}  // namespace
}  // namespace attendant
