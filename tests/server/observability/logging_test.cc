#include "server/observability/logging.h"

#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace attendant {
namespace {

using testing::HasSubstr;

class LoggingTest : public testing::Test {
 protected:
  ~LoggingTest() override { ConfigureLogging(LogFormat::kText, LogLevel::kInfo); }

  template <typename Action>
  static std::string Captured(Action action) {
    testing::internal::CaptureStderr();
    action();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LoggingTest, WritesOneLineToStderrWithTheTimeInUtc) {
  const std::string line = Captured([] { LogInfo("server started", {{"port", 1}}); });
  EXPECT_TRUE(std::regex_match(
      line, std::regex(R"(time=20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info event="server started" port=1\n)")))
      << line;
}

TEST_F(LoggingTest, LevelsBelowTheConfiguredOneAreSilent) {
  ConfigureLogging(LogFormat::kText, LogLevel::kWarning);
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  EXPECT_EQ(Captured([] { LogInfo("x"); }), "");
  EXPECT_THAT(Captured([] { LogWarning("x"); }), HasSubstr("level=warning"));
  EXPECT_THAT(Captured([] { LogError("x"); }), HasSubstr("level=error"));
  ConfigureLogging(LogFormat::kText, LogLevel::kOff);
  EXPECT_EQ(Captured([] { LogError("x"); }), "");
  EXPECT_EQ(Captured([] { Log(LogLevel::kOff, "x"); }), "");
}

TEST_F(LoggingTest, BracesAreNotFormatted) {
  EXPECT_THAT(Captured([] { LogInfo("x", {{"s", "{} {0} %v %n"}}); }), HasSubstr(R"(s="{} {0} %v %n")"));
}

TEST_F(LoggingTest, LinesOfManyThreadsDoNotMix) {
  ConfigureLogging(LogFormat::kJson, LogLevel::kInfo);
  const std::string lines = Captured([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([t] {
        for (int i = 0; i < 200; ++i) LogInfo("tick", {{"thread", t}, {"i", i}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  std::istringstream stream(lines);
  int count = 0;
  for (std::string line; std::getline(stream, line); ++count) ASSERT_TRUE(nlohmann::json::accept(line)) << line;
  EXPECT_EQ(count, 800);
}

TEST_F(LoggingTest, ParsesItsWordsAndListsThemOtherwise) {
  LogFormat format;
  LogLevel level;
  ASSERT_TRUE(ParseLogFormat("json", &format).ok());
  EXPECT_EQ(format, LogFormat::kJson);
  ASSERT_TRUE(ParseLogFormat("text", &format).ok());
  EXPECT_EQ(format, LogFormat::kText);
  ASSERT_TRUE(ParseLogLevel("warning", &level).ok());
  EXPECT_EQ(level, LogLevel::kWarning);
  EXPECT_THAT(std::string(ParseLogFormat("xml", &format).message()), HasSubstr("\"xml\"; there is text, json"));
  EXPECT_THAT(std::string(ParseLogLevel("INFO", &level).message()), HasSubstr("debug, info, warning, error, off"));
}

}  // namespace
}  // namespace attendant
