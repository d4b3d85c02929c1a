#include "client/lib/attention_assembler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attendant::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

AttentionMap Header() {
  AttentionMap map;
  map.tokens.resize(3);
  map.layers = {4};
  map.heads = {0, 2};
  map.query_rows = {1};
  map.shape = {1, 2, 1, 3};
  return map;
}

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(AttentionAssemblerTest, JoinsChunks) {
  AttentionAssembler assembler(1000);
  ASSERT_TRUE(assembler.SetHeader(Header()).ok());
  ASSERT_TRUE(assembler.Add(0, std::vector<float>{1, 2}).ok());
  ASSERT_TRUE(assembler.Add(2, std::vector<float>{3, 4, 5, 6}).ok());
  const auto map = assembler.Finish();
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_THAT(map->values, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(AttentionAssemblerTest, RefusesGapsOverlapsAndTooMuch) {
  AttentionAssembler assembler(1000);
  EXPECT_THAT(Message(assembler.Add(0, std::vector<float>{1})), HasSubstr("before the header"));
  ASSERT_TRUE(assembler.SetHeader(Header()).ok());
  ASSERT_TRUE(assembler.Add(0, std::vector<float>{1, 2}).ok());
  EXPECT_THAT(Message(assembler.Add(3, std::vector<float>{4})), HasSubstr("offset 3 instead of 2"));
  EXPECT_THAT(Message(assembler.Add(1, std::vector<float>{2})), HasSubstr("offset 1 instead of 2"));
  EXPECT_THAT(Message(assembler.Add(2, std::vector<float>(5))), HasSubstr("more than"));
  EXPECT_THAT(Message(assembler.Finish().status()), HasSubstr("2 of 6"));
}

TEST(AttentionAssemblerTest, RefusesHeadersThatContradictThemselves) {
  AttentionMap map = Header();
  map.shape = {1, 2, 1, 4};
  EXPECT_TRUE(absl::IsInternal(AttentionAssembler(1000).SetHeader(map)));
  map = Header();
  map.shape = {1, 2, 3};
  EXPECT_TRUE(absl::IsInternal(AttentionAssembler(1000).SetHeader(map)));
  map = Header();
  map.shape[1] = 1;  // reduced over both heads
  EXPECT_TRUE(AttentionAssembler(1000).SetHeader(map).ok());
  EXPECT_TRUE(absl::IsInternal(AttentionAssembler(1000).Finish().status()));
}

TEST(AttentionAssemblerTest, BoundsMemoryBeforeTakingIt) {
  AttentionAssembler assembler(23);
  EXPECT_TRUE(absl::IsResourceExhausted(assembler.SetHeader(Header())));
  AttentionAssembler enough(24);
  EXPECT_TRUE(enough.SetHeader(Header()).ok());
  EXPECT_TRUE(absl::IsInternal(enough.SetHeader(Header())));  // a second one
}

}  // namespace
}  // namespace attendant::client
