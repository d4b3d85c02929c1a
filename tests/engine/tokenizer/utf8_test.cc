#include "engine/tokenizer/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace attendant::utf8 {
namespace {

using std::string_literals::operator""s;

TEST(Utf8Test, EveryCodePointSurvives) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    Append(c, text);
    ASSERT_EQ(ValidPrefix(text), text.size()) << static_cast<uint32_t>(c);
    ASSERT_EQ(CountCodePoints(text), 1u) << static_cast<uint32_t>(c);
    size_t position = 0;
    ASSERT_EQ(Next(text, position), c);
    ASSERT_EQ(position, text.size());
    ASSERT_EQ(Previous(text, position), c);
    ASSERT_EQ(position, 0u);
  }
}

// The table of the Unicode standard, 3.9, "U+FFFD Substitution of Maximal Subparts", and its neighbours.
TEST(Utf8Test, RepairReplacesMaximalSubparts) {
  const std::string bad = "\uFFFD";
  EXPECT_EQ(Repair("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), bad + bad + bad + bad + bad + bad + bad + bad + "A");
  EXPECT_EQ(Repair("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), bad + bad + bad + bad + bad + bad + bad + bad + "A");
  EXPECT_EQ(Repair("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), bad + bad + bad + bad + bad + "A" + bad + bad + "B");
  EXPECT_EQ(Repair("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), bad + bad + bad + bad + "A");
  EXPECT_EQ(Repair("a\xE2\x82"), "a" + bad);
  EXPECT_EQ(Repair("a\xF0\x9F\x98"), "a" + bad);
  EXPECT_EQ(Repair(""), "");
  EXPECT_EQ(Repair("\0\x80"s), "\0"s + bad);
}

TEST(Utf8Test, RepairLeavesValidTextAlone) {
  const std::string text = "a\u00e9\u4e00\U0001F600 end, longer than eight bytes";
  EXPECT_EQ(Repair(text), text);
  EXPECT_EQ(ValidPrefix(text), text.size());
}

// A bad byte at each place of a text longer than the step of the quick way over ASCII.
TEST(Utf8Test, FindsTheFirstBadByte) {
  for (size_t size = 1; size < 40; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\xFF';
      ASSERT_EQ(ValidPrefix(text), at);
      ASSERT_EQ(CountCodePoints(Repair(text)), size);
    }
  }
}

}  // namespace
}  // namespace attendant::utf8
