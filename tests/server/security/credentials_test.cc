#include "server/security/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attendant {
namespace {

using ::testing::HasSubstr;

TEST(CredentialsTest, TheKeyComesInEitherOfTwoWays) {
  EXPECT_EQ(*PresentedKey({.authorization = {"Bearer abc"}, .api_key = {}}), "abc");
  EXPECT_EQ(*PresentedKey({.authorization = {"bearer  abc "}, .api_key = {}}), "abc");
  EXPECT_EQ(*PresentedKey({.authorization = {}, .api_key = {" abc"}}), "abc");
}

TEST(CredentialsTest, NoneOrSeveralAreRefusedWithAWordAboutHowToSendOne) {
  for (const Credentials& credentials : {Credentials{}, Credentials{.authorization = {"Basic abc"}, .api_key = {}},
                                         Credentials{.authorization = {"Bearer a", "Bearer a"}, .api_key = {}},
                                         Credentials{.authorization = {}, .api_key = {"a", "b"}},
                                         Credentials{.authorization = {"Bearer a"}, .api_key = {"a"}}}) {
    const auto key = PresentedKey(credentials);
    EXPECT_TRUE(absl::IsUnauthenticated(key.status()));
    EXPECT_THAT(std::string(key.status().message()), HasSubstr("Bearer KEY"));
  }
}

}  // namespace
}  // namespace attendant
