#include "client/lib/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace attendant::client {
namespace {

TEST(Utf8Test, DecodesEveryLength) {
  std::string_view text = "a\u00e9\u4e2d\U0001F600";
  EXPECT_EQ(TakeCodePoint(text), 'a');
  EXPECT_EQ(TakeCodePoint(text), 0xE9u);
  EXPECT_EQ(TakeCodePoint(text), 0x4E2Du);
  EXPECT_EQ(TakeCodePoint(text), 0x1F600u);
  EXPECT_TRUE(text.empty());
}

TEST(Utf8Test, AcceptsTheEdges) {
  for (const std::string text : {"\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                                 "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(ValidUtf8Prefix(text), text.size());
  }
}

TEST(Utf8Test, RefusesWhatIsNotShortestFormOrNotACharacter) {
  for (const std::string text : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF",
                                 "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xC2", "\xE4\xB8",
                                 "\xF0\x9F\x98", "\xC2\x41", "\xE4\x41\xAD"}) {
    EXPECT_EQ(ValidUtf8Prefix("ok" + text), 2u) << ::testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace attendant::client
