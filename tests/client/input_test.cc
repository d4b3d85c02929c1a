// What is read: lines, JSON lines, files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "client/cli/json_item.h"
#include "client/cli/line_reader.h"

namespace attendant::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(LineReaderTest, EndsOfLines) {
  std::istringstream in("\xEF\xBB\xBFone\r\n\ntwo\rhalf\nlast");
  LineReader reader(in, 100);
  std::vector<std::string> lines;
  for (std::string line; reader.Next(&line) == LineReader::Outcome::kLine;) lines.push_back(line);
  EXPECT_THAT(lines, ElementsAre("one", "", "two\rhalf", "last"));
  EXPECT_EQ(reader.line_number(), 4);
  EXPECT_EQ(reader.bytes_read(), static_cast<int64_t>(in.str().size()));
}

TEST(LineReaderTest, PassesOverWhatIsTooLong) {
  std::istringstream in("12345\n123456\n\n1\n");
  LineReader reader(in, 5);
  std::string line;
  EXPECT_EQ(reader.Next(&line), LineReader::Outcome::kLine);
  EXPECT_EQ(reader.Next(&line), LineReader::Outcome::kTooLong);
  EXPECT_EQ(reader.Next(&line), LineReader::Outcome::kLine);
  EXPECT_EQ(reader.Next(&line), LineReader::Outcome::kLine);
  EXPECT_EQ(line, "1");
  EXPECT_EQ(reader.Next(&line), LineReader::Outcome::kEnd);
  EXPECT_EQ(reader.Next(&line), LineReader::Outcome::kEnd);
}

TEST(LineReaderTest, NulBytesAreBytes) {
  std::istringstream in(std::string("a\0b\n", 4));
  LineReader reader(in, 5);
  std::string line;
  reader.Next(&line);
  EXPECT_EQ(line, std::string("a\0b", 3));
}

TEST(JsonItemTest, EveryKind) {
  EXPECT_EQ(std::get<std::string>(*ParseJsonItem(R"({"text": "a\u00e9", "title": 7})")), "aé");
  EXPECT_EQ(std::get<client::TextPair>(*ParseJsonItem(R"({"pair": ["a", "b"]})")).second, "b");
  const auto tokens =
      std::get<client::TokenIds>(*ParseJsonItem(R"({"ids": [1, -2], "type_ids": [0, 1], "add_special_tokens": true})"));
  EXPECT_THAT(tokens.input_ids, ElementsAre(1, -2));
  EXPECT_THAT(tokens.token_type_ids, ElementsAre(0, 1));
  EXPECT_TRUE(tokens.add_special_tokens);
}

TEST(JsonItemTest, EveryFaultIsNamed) {
  const std::vector<std::pair<std::string, std::string>> faults = {
      {"", "not valid JSON at column 1"},
      {"{\"text\": \"a\"} x", "not valid JSON at column 15"},
      {"{\"text\": \"\xFF\"}", "not valid JSON at column 11"},
      {"[1]", "not a JSON object"},
      {"{}", "exactly one of"},
      {R"({"text": "a", "pair": ["a", "b"]})", "exactly one of"},
      {R"({"text": 5})", "\"text\" is not a string"},
      {R"({"pair": ["a"]})", "\"pair\" is not a list of two strings"},
      {R"({"pair": ["a", 1]})", "\"pair\" is not a list of two strings"},
      {R"({"ids": 5})", "\"ids\" is not a list"},
      {R"({"ids": [1, 2.5]})", "\"ids\"[1] is not a 32-bit integer"},
      {R"({"ids": [4294967296]})", "\"ids\"[0] is not a 32-bit integer"},
      {R"({"ids": [18446744073709551615]})", "\"ids\"[0] is not a 32-bit integer"},
      {R"({"ids": [-2147483649]})", "\"ids\"[0] is not a 32-bit integer"},
      {R"({"ids": [1e400]})", "not valid JSON"},
      {R"({"ids": [1], "type_ids": [0, 0]})", "\"type_ids\" has 2 values, \"ids\" has 1"},
      {R"({"ids": [1], "type_ids": ["a"]})", "\"type_ids\"[0]"},
      {R"({"ids": [1], "add_special_tokens": 1})", "not true or false"},
  };
  for (const auto& [line, expected] : faults) {
    const auto item = ParseJsonItem(line);
    ASSERT_FALSE(item.ok()) << line;
    EXPECT_TRUE(absl::IsInvalidArgument(item.status()));
    EXPECT_THAT(std::string(item.status().message()), HasSubstr(expected)) << line;
  }
}

TEST(JsonItemTest, DeepNestingDoesNotExhaustTheStack) {
  const std::string deep = "{\"text\": " + std::string(1'000'000, '[');
  EXPECT_FALSE(ParseJsonItem(deep).ok());
  EXPECT_FALSE(ParseJsonItem(deep + std::string(1'000'000, ']') + "}").ok());
}

}  // namespace
}  // namespace attendant::cli
