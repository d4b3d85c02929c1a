// What the `tokenizers` package made of 2,000 texts, id for id, type for type and offset for offset.
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <vector>

#include "tests/engine/tokenizer/test_tokenizers.h"

namespace attendant {
namespace {

std::vector<std::string> Split(const std::string& line, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : line) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::vector<int32_t> Numbers(const std::string& field) {
  std::istringstream in(field);
  return std::vector<int32_t>(std::istream_iterator<int32_t>(in), {});
}

// A JSON string, or x and hexadecimal.
std::string Text(const std::string& field) {
  if (field[0] != 'x') return nlohmann::json::parse(field).get<std::string>();
  std::string bytes;
  for (size_t i = 1; i + 1 < field.size(); i += 2)
    bytes += static_cast<char>(std::stoi(field.substr(i, 2), nullptr, 16));
  return bytes;
}

EncodeOptions Options(const std::string& field) {
  if (field == "-") return {};
  const std::vector<std::string> parts = Split(field, ' ');
  return {std::stoi(parts[0]), parts[1] == "start" ? TruncationSide::kStart : TruncationSide::kEnd};
}

TEST(TokenizerGoldenTest, EqualToTheTokenizersPackage) {
  std::map<std::string, std::unique_ptr<Tokenizer>> tokenizers;
  std::istringstream file(ReadTestFile("golden.txt"));
  int count = 0;
  for (std::string line; std::getline(file, line); ++count) {
    const std::vector<std::string> fields = Split(line, '\t');
    const size_t texts = fields.size() - 5;
    ASSERT_TRUE(texts == 1 || texts == 2) << line;
    std::unique_ptr<Tokenizer>& tokenizer = tokenizers[fields[0]];
    if (tokenizer == nullptr) tokenizer = LoadTestTokenizer(TestDefinition(fields[0]));
    const EncodeOptions options = Options(fields[1]);
    const Encoding encoding = texts == 1 ? tokenizer->Encode(Text(fields[2]), options)
                                         : tokenizer->EncodePair(Text(fields[2]), Text(fields[3]), options);
    std::vector<int32_t> offsets;
    for (const Offset& offset : encoding.offsets) offsets.insert(offsets.end(), {offset.start, offset.end});
    ASSERT_EQ(encoding.input_ids, Numbers(fields[texts + 2])) << line;
    ASSERT_EQ(encoding.token_type_ids, Numbers(fields[texts + 3])) << line;
    ASSERT_EQ(offsets, Numbers(fields[texts + 4])) << line;
  }
  EXPECT_GE(count, 2000);
  EXPECT_EQ(tokenizers.size(), 5u);
}

}  // namespace
}  // namespace attendant
