#include "engine/lower_case.h"

#include <gtest/gtest.h>

namespace attendant {
namespace {

TEST(LowerCase, FollowsPythonsStrLower) {
  EXPECT_EQ(LowerCase("HELLO World 123"), "hello world 123");
  EXPECT_EQ(LowerCase("ÀÉÎ ЖЩ ΑΒΓ"), "àéî жщ αβγ");
  EXPECT_EQ(LowerCase("İ"), "i̇");
  EXPECT_EQ(LowerCase("ΟΔΥΣΣΕΥΣ ΣΑΣ Σ"), "οδυσσευς σας σ");
  EXPECT_EQ(LowerCase("ΑΣ.Β ΑΣ."), "ασ.β ας.");
  EXPECT_EQ(LowerCase("ẞ ǅ"), "ß ǆ");
}

TEST(LowerCase, KeepsBytesThatAreNotUtf8) { EXPECT_EQ(LowerCase("A\xff\x80Z"), "a\xff\x80z"); }

TEST(IsBlank, KnowsUnicodeWhiteSpace) {
  EXPECT_TRUE(IsBlank(""));
  EXPECT_TRUE(IsBlank(" \t\r\n\v\f"));
  EXPECT_TRUE(IsBlank("\u00a0\u2003\u3000\u2028"));
  EXPECT_FALSE(IsBlank(" a "));
  EXPECT_FALSE(IsBlank("\u200b")) << "a zero-width space is not white space";
  EXPECT_FALSE(IsBlank("\xff"));
}

}  // namespace
}  // namespace attendant
