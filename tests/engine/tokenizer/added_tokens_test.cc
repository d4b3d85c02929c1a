#include "engine/tokenizer/added_tokens.h"

#include <gtest/gtest.h>

#include <string>

namespace attendant {
namespace {

AddedTokenSpec Token(std::string content, int32_t id) {
  AddedTokenSpec token;
  token.content = std::move(content);
  token.id = id;
  return token;
}

AddedTokens Make(const std::vector<AddedTokenSpec>& tokens) {
  AddedTokens added;
  for (const AddedTokenSpec& token : tokens) EXPECT_TRUE(added.Add(token, token.content).ok());
  return added;
}

// "text|<3>|more": what the text is cut into, added tokens with their ids in front.
std::string Splits(const AddedTokens& added, std::string_view text) {
  std::string out;
  added.ForEachSplit(text, [&](const AddedTokens::Split& split) {
    if (!out.empty()) out += "|";
    if (split.id != AddedTokens::kText) out += std::to_string(split.id) + ":";
    out += text.substr(split.begin, split.end - split.begin);
  });
  return out;
}

TEST(AddedTokensTest, CutsTokensOut) {
  const AddedTokens added = Make({Token("[SEP]", 1), Token("[MASK]", 2)});
  EXPECT_EQ(Splits(added, "a[SEP]b[MASK]"), "a|1:[SEP]|b|2:[MASK]");
  EXPECT_EQ(Splits(added, "[SEP][SEP]"), "1:[SEP]|1:[SEP]");
  EXPECT_EQ(Splits(added, "[[SEP]"), "[|1:[SEP]");
  EXPECT_EQ(Splits(added, "[SEP"), "[SEP");
  EXPECT_EQ(Splits(added, ""), "");
}

TEST(AddedTokensTest, LeftmostThenLongest) {
  const AddedTokens added = Make({Token("ab", 1), Token("abcd", 2), Token("bcdef", 3), Token("c", 4)});
  EXPECT_EQ(Splits(added, "abcdef"), "2:abcd|ef");
  EXPECT_EQ(Splits(added, "abce"), "1:ab|4:c|e");
  EXPECT_EQ(Splits(added, "xbcdef"), "x|3:bcdef");
}

TEST(AddedTokensTest, SingleWord) {
  AddedTokenSpec token = Token("it", 1);
  token.single_word = true;
  const AddedTokens added = Make({token});
  EXPECT_EQ(Splits(added, "it is it."), "1:it| is |1:it|.");
  EXPECT_EQ(Splits(added, "sit it_ \u00e9it it\u00e9 it"), "sit it_ \u00e9it it\u00e9 |1:it");
}

TEST(AddedTokensTest, WhiteSpaceAroundIsTakenInOnce) {
  AddedTokenSpec token = Token("<m>", 1);
  token.lstrip = token.rstrip = true;
  const AddedTokens added = Make({token});
  EXPECT_EQ(Splits(added, "a \u3000<m>\n b"), "a|1: \u3000<m>\n |b");
  EXPECT_EQ(Splits(added, "<m>  <m>"), "1:<m>  |1:<m>");
  EXPECT_EQ(Splits(added, "  <m>"), "1:  <m>");
}

TEST(AddedTokensTest, RefusesWhatCannotBeToldApart) {
  AddedTokens added = Make({Token("a", 1)});
  EXPECT_EQ(added.Add(Token("A", 2), "a").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(added.Add(Token("\u200b", 3), "").code(), absl::StatusCode::kInvalidArgument);
}

TEST(AddedTokensTest, RefusesTokensThatOverlapStrippedSpace) {
  AddedTokenSpec token = Token("<m>", 1);
  token.rstrip = true;
  AddedTokens added = Make({token});
  EXPECT_EQ(added.Add(Token("  ", 2), "  ").code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace attendant
