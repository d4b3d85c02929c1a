// Numbers and texts as they are shown, and the progress line.
#include "client/cli/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "client/cli/progress_bar.h"

namespace attendant::cli {
namespace {

using ::testing::HasSubstr;

TEST(FormatTest, Numbers) {
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(1000), "1,000");
  EXPECT_EQ(WithCommas(-1234567), "-1,234,567");
  EXPECT_EQ(WithCommas(-100), "-100");
  EXPECT_EQ(Clock(7.4), "0:07");
  EXPECT_EQ(Clock(754), "12:34");
  EXPECT_EQ(Clock(3723), "1:02:03");
  EXPECT_EQ(ShortestFloat(0.1f), "0.1");
  EXPECT_EQ(ShortestFloat(std::numeric_limits<float>::quiet_NaN()), "null");
  EXPECT_EQ(MillisecondsText(1234), "1.23 ms");
}

TEST(FormatTest, TextsTakeTheColumnsTheyAreGiven) {
  EXPECT_EQ(Shortened("short", 10), "short");
  EXPECT_EQ(Shortened("exactly ten", 11), "exactly ten");
  EXPECT_EQ(Shortened("exactly eleven", 11), "exactly ...");
  EXPECT_EQ(Shortened("abc", 2), "");
  EXPECT_EQ(Shortened("a\nb\xFF\x1b[0m", 10), "a?b??[0m");
  EXPECT_EQ(Shortened("中文字符", 5), "中...");
  EXPECT_EQ(DisplayWidth("中é"), 3);
  EXPECT_EQ(PaddedRight("中", 4), "中  ");
  EXPECT_EQ(PaddedLeft("é", 3), "  é");
}

TEST(FormatTest, JsonStringsAreValidWhateverTheBytes) {
  EXPECT_EQ(JsonString("a\"b\n"), R"("a\"b\n")");
  EXPECT_EQ(JsonString("a\xFF"), "\"a\uFFFD\"");
}

TEST(ProgressTest, Line) {
  EXPECT_EQ(ProgressLine(0.41, 12'300, 10), "[########............]  41%  12,300 items  1,230/s  0:14 left");
  EXPECT_EQ(ProgressLine(std::nullopt, 5, 1), "5 items  5/s");
  EXPECT_EQ(ProgressLine(0.0, 0, 0), "[....................]   0%  0 items  0/s");
  EXPECT_THAT(ProgressLine(1.5, 1, 1), HasSubstr("[####################] 100%"));
}

TEST(ProgressTest, DrawsSeldomAndClears) {
  std::ostringstream err;
  const ProgressBar::TimePoint start;
  const auto at = [start](int ms) { return start + std::chrono::milliseconds(ms); };
  ProgressBar bar(err, true, start);
  bar.Update(0.1, 1, at(100));
  bar.Clear();
  EXPECT_EQ(err.str(), "");
  bar.Update(0.1, 1, at(600));
  const size_t once = err.str().size();
  EXPECT_GT(once, 0u);
  bar.Update(0.2, 2, at(650));
  EXPECT_EQ(err.str().size(), once);
  bar.Update(0.2, 2, at(700));
  EXPECT_GT(err.str().size(), once);
  bar.Clear();
  EXPECT_THAT(err.str(), ::testing::EndsWith("\r\x1b[K"));
  std::ostringstream silent;
  ProgressBar off(silent, false, start);
  off.Update(0.1, 1, at(1000));
  EXPECT_EQ(silent.str(), "");
}

}  // namespace
}  // namespace attendant::cli
