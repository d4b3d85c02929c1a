#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/observability/logging.h"

namespace attendant {
namespace {

constexpr std::string_view kTime = "2026-01-02T03:04:05.006Z";

std::string Text(LogFields fields) {
  return FormatLogLine(LogFormat::kText, kTime, LogLevel::kInfo, "server started", fields);
}
std::string Json(LogFields fields) {
  return FormatLogLine(LogFormat::kJson, kTime, LogLevel::kInfo, "server started", fields);
}

TEST(LogLine, Text) {
  EXPECT_EQ(Text({}), "time=2026-01-02T03:04:05.006Z level=info event=\"server started\"");
  EXPECT_EQ(
      Text({{"address", "127.0.0.1:50051"}, {"model", "all MiniLM"}, {"threads", 2}, {"ms", 1.5}, {"tls", false}}),
      "time=2026-01-02T03:04:05.006Z level=info event=\"server started\" address=127.0.0.1:50051 "
      "model=\"all MiniLM\" threads=2 ms=1.5 tls=false");
}

TEST(LogLine, Json) {
  EXPECT_EQ(Json({{"address", "[::]:1"}, {"bytes", uint64_t{18446744073709551615u}}, {"delta", -3}, {"tls", true}}),
            "{\"time\":\"2026-01-02T03:04:05.006Z\",\"level\":\"info\",\"event\":\"server started\","
            "\"address\":\"[::]:1\",\"bytes\":18446744073709551615,\"delta\":-3,\"tls\":true}");
}

TEST(LogLine, EveryLevelHasItsName) {
  for (const auto& [level, name] : {std::pair(LogLevel::kDebug, "debug"), std::pair(LogLevel::kInfo, "info"),
                                    std::pair(LogLevel::kWarning, "warning"), std::pair(LogLevel::kError, "error")}) {
    EXPECT_THAT(FormatLogLine(LogFormat::kText, kTime, level, "x", {}),
                testing::HasSubstr(std::string("level=") + name));
  }
}

TEST(LogLine, NoValueCanForgeAFieldOrALine) {
  EXPECT_THAT(Text({{"path", "a\nlevel=error"}}), testing::EndsWith(R"(path="a\nlevel=error")"));
  EXPECT_THAT(Text({{"path", "a b=\"c\" \\"}}), testing::EndsWith(R"(path="a b=\"c\" \\")"));
  EXPECT_THAT(Text({{"path", ""}}), testing::EndsWith("path=\"\""));
  EXPECT_THAT(Text({{"path", std::string("\x1b[31m\0\x7f", 7)}}),
              testing::EndsWith(R"(path="\u001b[31m\u0000\u007f")"));
}

TEST(LogLine, NumbersThatJsonLacksAreNull) {
  EXPECT_THAT(Json({{"x", std::nan("")}, {"y", std::numeric_limits<double>::infinity()}}),
              testing::EndsWith("\"x\":null,\"y\":null}"));
}

TEST(LogLine, TextIsKeptAndWhatIsNotUtf8IsReplaced) {
  EXPECT_EQ(nlohmann::json::parse(Json({{"s", "Grüße 你好 😀"}}))["s"], "Grüße 你好 😀");
  // A stray continuation, an overlong slash, a surrogate, beyond the last code point, and a cut character.
  for (const char* bad : {"\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE4\xBD"}) {
    const nlohmann::json line = nlohmann::json::parse(Json({{"s", bad}, {"next", 1}}));
    EXPECT_THAT(line["s"].get<std::string>(), testing::StartsWith("\xEF\xBF\xBD"));
    EXPECT_EQ(line["next"], 1);
  }
}

TEST(LogLine, AnyBytesGiveOneValidJsonLine) {
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(random() % 20, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::string line = Json({{"s", bytes}});
    EXPECT_EQ(line.find('\n'), std::string::npos);
    ASSERT_TRUE(nlohmann::json::accept(line)) << line;
  }
}

}  // namespace
}  // namespace attendant
