#include "client/lib/item_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attendant/v1/embedding.pb.h"
#include "client/lib/wire.h"

namespace attendant::client {
namespace {

using ::testing::HasSubstr;

TEST(ItemCheckTest, WireBytesIsAnUpperBound) {
  const std::vector<Item> items = {std::string(), std::string(300, 'x'), TextPair{std::string(70'000, 'y'), "z"},
                                   TokenIds{{-1, 5, 30'000, 2'000'000'000}, {0, 1, -7, 0}, true}};
  for (const Item& item : items) {
    v1::EmbedRequest request;
    ToWire({&item}, EmbedOptions(), &request);
    v1::EmbedRequest empty;
    ToWire(std::vector<const Item*>(), EmbedOptions(), &empty);
    EXPECT_LE(static_cast<int64_t>(request.ByteSizeLong() - empty.ByteSizeLong()), WireBytes(item));
  }
}

TEST(ItemCheckTest, NamesTheFieldAndByteOfBadText) {
  const absl::Status status = CheckItem(TextPair{"fine", "abc\xFF"}, 0);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("pair.second is not valid UTF-8 at byte 3"));
  EXPECT_TRUE(CheckItem(TextPair{"fine", "fine too"}, 0).ok());
}

TEST(ItemCheckTest, RefusesWhatFitsInNoMessage) {
  EXPECT_THAT(std::string(CheckItem(std::string(100'000, 'x'), 65'536).message()), HasSubstr("65536"));
  EXPECT_TRUE(CheckItem(std::string(60'000, 'x'), 65'536).ok());
}

TEST(ItemCheckTest, RenumbersFieldAndMessage) {
  absl::Status status = absl::InvalidArgumentError("items[3].text is blank");
  std::string field = "items[3].text";
  RenumberItem(3, 40, &status, &field);
  EXPECT_EQ(field, "items[40].text");
  EXPECT_EQ(status, absl::InvalidArgumentError("items[40].text is blank"));
}

}  // namespace
}  // namespace attendant::client
