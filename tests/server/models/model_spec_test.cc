#include "server/models/model_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attendant {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(std::string_view text) { return std::string(ParseModelSpec(text).status().message()); }

TEST(ModelSpec, ADirectoryGivesItsName) {
  for (const char* text : {"/models/minilm", "/models/minilm/", "./minilm", "minilm"}) {
    const auto spec = ParseModelSpec(text);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->name, "minilm");
    EXPECT_EQ(spec->directory, text);
    EXPECT_EQ(spec->precision, "");
    EXPECT_EQ(spec->quota.weight, 1);
  }
}

TEST(ModelSpec, ANameGoesBeforeTheDirectory) {
  const auto spec = ParseModelSpec("org/mini=/models/x,precision=int8,weight=0.5,max-queued-tokens=4096");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name, "org/mini");
  EXPECT_EQ(spec->directory, "/models/x");
  EXPECT_EQ(spec->precision, "int8");
  EXPECT_EQ(spec->quota.weight, 0.5);
  EXPECT_EQ(spec->quota.max_queued_tokens, 4096);
}

TEST(ModelSpec, DirectoriesMayHaveCommasAndEqualsSigns) {
  EXPECT_EQ(ParseModelSpec("/models/a,b")->directory, "/models/a,b");
  EXPECT_EQ(ParseModelSpec("./lr=3,v2,weight=2")->directory, "./lr=3,v2");
  EXPECT_EQ(ParseModelSpec("n=/a=b,c")->directory, "/a=b,c");
}

TEST(ModelSpec, WhatIsWrongIsNamed) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("directory is empty"));
  EXPECT_THAT(ErrorOf("name="), HasSubstr("directory is empty"));
  EXPECT_THAT(ErrorOf("=/x"), HasSubstr("name must not be empty"));
  EXPECT_THAT(ErrorOf("a\nb=/x"), HasSubstr("control characters"));
  EXPECT_THAT(ErrorOf(std::string(129, 'n') + "=/x"), HasSubstr("128 bytes"));
  EXPECT_THAT(ErrorOf("/x,precision=fp4"), HasSubstr("fp4"));
  EXPECT_THAT(ErrorOf("/x,precision="), HasSubstr("precision="));
  EXPECT_THAT(ErrorOf("/x,precison=int8"), HasSubstr("no setting precison"));
  EXPECT_THAT(ErrorOf("/x,weight=2,int8"), HasSubstr("\"int8\" is not of the form"));
  for (const char* weight : {"0", "-1", "nan", "1e9", "two", ""}) {
    EXPECT_THAT(ErrorOf(std::string("/x,weight=") + weight), HasSubstr("weight is a number above 0")) << weight;
  }
  for (const char* tokens : {"0", "-1", "many", "99999999999999999999"}) {
    EXPECT_THAT(ErrorOf(std::string("/x,max-queued-tokens=") + tokens), HasSubstr("above 0")) << tokens;
  }
}

}  // namespace
}  // namespace attendant
