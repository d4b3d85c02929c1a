#include "server/rpc/message_scan.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "attendant/v1/embedding.pb.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// In pieces of three bytes, as a message may come from the network.
MessageScan Scan(const google::protobuf::Message& type, const std::string& bytes,
                 const ScanOptions& options = {kNoLimit}) {
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()), 3);
  return ScanMessage(*type.GetDescriptor(), &stream, options);
}

v1::EmbedStreamRequest LargeRequest() {
  v1::EmbedStreamRequest message;
  message.set_id("id");
  v1::EmbedRequest* request = message.mutable_request();
  for (int i = 0; i < 10; ++i) request->add_items()->set_text("text " + std::to_string(i));
  for (int i = 0; i < 1000; ++i) request->add_items()->mutable_tokens()->add_input_ids(i);
  for (int i = 0; i < 5000; ++i) request->mutable_items(20)->mutable_tokens()->add_input_ids(1);
  request->add_items()->mutable_pair()->set_first("f");
  request->mutable_options()->add_pooling(v1::POOLING_CLS);
  request->mutable_options()->set_normalize(true);
  return message;
}

TEST(MessageScanTest, CountsItemsAndBoundsTheMemory) {
  const v1::EmbedStreamRequest message = LargeRequest();
  const MessageScan scan = Scan(message, message.SerializeAsString());
  EXPECT_TRUE(scan.status.ok()) << scan.status;
  EXPECT_EQ(scan.items, 1011);
  v1::EmbedStreamRequest parsed;
  ASSERT_TRUE(parsed.ParseFromString(message.SerializeAsString()));
  EXPECT_GE(scan.memory_bytes, static_cast<int64_t>(parsed.SpaceUsedLong()));
}

TEST(MessageScanTest, BoundsTheMemoryOfSmallestItemsAndUnknownFields) {
  std::string items;
  std::string unknown;
  for (int i = 0; i < 1000; ++i) items += std::string("\x12\x00", 2);
  for (int i = 0; i < 1000; ++i) unknown += "\x78\x01";
  for (const std::string& bytes : {items, unknown}) {
    v1::EmbedRequest parsed;
    ASSERT_TRUE(parsed.ParseFromString(bytes));
    EXPECT_GE(Scan(parsed, bytes).memory_bytes, static_cast<int64_t>(parsed.SpaceUsedLong()));
  }
}

TEST(MessageScanTest, EndsAtTheFirstItemTooMany) {
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += std::string("\x12\x00", 2);
  EXPECT_EQ(Scan(v1::EmbedRequest(), bytes, {.max_items = 100}).items, 100);
  const MessageScan scan = Scan(v1::EmbedRequest(), bytes, {.max_items = 10});
  EXPECT_EQ(scan.items, 11);
  EXPECT_TRUE(scan.status.ok());
}

TEST(MessageScanTest, NamesTheFieldThatIsBroken) {
  const auto field = [](const std::string& bytes) { return FieldOf(Scan(v1::EmbedRequest(), bytes).status); };
  EXPECT_EQ(field("\xff\xff\xff"), "(message)");
  EXPECT_EQ(field("\x0a\x7f"
                  "ab"),
            "model");
  EXPECT_EQ(field(std::string("\x12\x00\x12\x05\x0a\x03"
                              "ab",
                              8)),
            "items[1].text");
  EXPECT_EQ(field("\x12\x05\x12\x09\x0a\x01x"), "items[0].pair");
  // The bytes end between two fields of a message that is not yet complete.
  EXPECT_EQ(field("\x0a\x01m\x12\x09\x0a\x01x"), "items[0]");
  EXPECT_EQ(field("\x12\x50"), "items[0]");
  EXPECT_EQ(field("\x0b\x0c"), "model");  // a group
}

TEST(MessageScanTest, NamesTheStringThatIsNotUtf8) {
  const std::string bytes = std::string("\x12\x03\x0a\x01x\x12\x05\x12\x03\x12\x01\xff", 12);
  EXPECT_TRUE(Scan(v1::EmbedRequest(), bytes).status.ok());
  const absl::Status status = Scan(v1::EmbedRequest(), bytes, {.max_items = kNoLimit, .check_utf8 = true}).status;
  EXPECT_EQ(FieldOf(status), "items[1].pair.second");
  EXPECT_EQ(status.message(), "items[1].pair.second: not valid UTF-8 at byte 0");
}

// What the scan refuses would not parse either, and what parses is within its bound.
TEST(MessageScanTest, AgreesWithTheParserOnEveryCutAndFlip) {
  v1::EmbedRequest request;
  request.set_model("m");
  request.add_items()->set_text("some text");
  request.add_items()->mutable_tokens()->add_input_ids(300);
  request.mutable_options()->set_prompt_text("p");
  const std::string bytes = request.SerializeAsString();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      for (const std::string& candidate : {changed, bytes.substr(0, i)}) {
        const MessageScan scan = Scan(request, candidate, {.max_items = kNoLimit, .check_utf8 = true});
        v1::EmbedRequest parsed;
        if (!parsed.ParseFromString(candidate)) continue;
        EXPECT_TRUE(scan.status.ok()) << i << " " << bit << " " << scan.status;
        EXPECT_GE(scan.memory_bytes, static_cast<int64_t>(parsed.SpaceUsedLong())) << i << " " << bit;
      }
    }
  }
}

TEST(MessageScanTest, FindsTheIdOfABrokenMessage) {
  const auto find = [](const std::string& bytes) {
    google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()), 2);
    return FindString(1, &stream);
  };
  EXPECT_EQ(find("\x0a\x03"
                 "abc\x12\x7f"),
            "abc");
  EXPECT_EQ(find(std::string("\x12\x00\x0a\x01z", 5)), "z");
  EXPECT_EQ(find("\x0a\x01\xff"), "");
  EXPECT_EQ(find("\x0a\x7f"
                 "a"),
            "");
  EXPECT_EQ(find(""), "");
}

}  // namespace
}  // namespace attendant
