#include "server/http/api/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace attendant {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  const auto parsed = ParseJson(text);
  EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << text.substr(0, 100) << parsed.status();
  EXPECT_EQ(CheckJson(text), parsed.status());
  return std::string(parsed.status().message());
}

TEST(JsonReaderTest, BuildsWhatNlohmannWouldBuild) {
  for (const char* text :
       {"{}", "[]", "null", "\"a\"", "-1", "18446744073709551615", "1e3",
        R"({"a": [1, -2, 3.5, true, false, null, "x", {"b": []}, [[]]], "c": {"d": {"e": "\u00e4\u0000"}}})",
        " [ { } , [ 1 ] ] "}) {
    const auto parsed = ParseJson(text);
    ASSERT_TRUE(parsed.ok()) << text << parsed.status();
    EXPECT_EQ(*parsed, json::parse(text));
    EXPECT_TRUE(CheckJson(text).ok());
  }
}

TEST(JsonReaderTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("nothing"));
  EXPECT_THAT(ErrorOf("{\"a\": 1"), HasSubstr("syntax error at byte"));
  EXPECT_THAT(ErrorOf("{} x"), HasSubstr("byte 4"));
  EXPECT_THAT(ErrorOf("[NaN]"), HasSubstr("syntax error"));
  EXPECT_THAT(ErrorOf("[Infinity]"), HasSubstr("syntax error"));
  EXPECT_THAT(ErrorOf("[1e999]"), HasSubstr("too large"));
  EXPECT_THAT(ErrorOf("[\"\xff\"]"), HasSubstr("UTF-8"));
  EXPECT_THAT(ErrorOf("[\"\xed\xa0\x80\"]"), HasSubstr("UTF-8"));
  EXPECT_THAT(ErrorOf("{\"a\": 1, \"b\": 2, \"a\": 3}"), HasSubstr("\"a\" twice"));
  EXPECT_TRUE(ParseJson(R"([{"a": 1}, {"a": 2}, {"b": {"a": 1}, "a": 1}])").ok()) << "in other objects it may";
}

TEST(JsonReaderTest, NestingIsBounded) {
  EXPECT_TRUE(ParseJson(std::string(32, '[') + std::string(32, ']')).ok());
  EXPECT_THAT(ErrorOf(std::string(33, '[') + std::string(33, ']')), HasSubstr("nested deeper than 32"));
  EXPECT_THAT(ErrorOf(std::string(1'000'000, '[')), HasSubstr("nested"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_THAT(ErrorOf(objects), HasSubstr("nested"));
}

TEST(JsonReaderTest, TheTreesMemoryIsEstimatedFromTheText) {
  std::string ids = "[1";
  for (int i = 0; i < 1000; ++i) ids += ",1";
  EXPECT_GE(JsonTreeBytes(ids + "]"), static_cast<int64_t>(1001 * sizeof(json)));
  EXPECT_LT(JsonTreeBytes("{\"input\": \"a text\"}"), 1000);
}

}  // namespace
}  // namespace attendant
