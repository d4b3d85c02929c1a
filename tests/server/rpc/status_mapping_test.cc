#include "server/rpc/status_mapping.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "attendant/v1/embedding.pb.h"
#include "google/rpc/error.pb.h"
#include "server/rpc/utf8.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;

TEST(StatusMappingTest, EveryCodeKeepsItsNumberAndMessage) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status = ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "why");
    EXPECT_EQ(status.error_details(), "");
  }
}

TEST(StatusMappingTest, FieldViolationsTravelInTheDetails) {
  const absl::Status status = InvalidField("items[3].text", "is blank");
  EXPECT_EQ(FieldOf(status), "items[3].text");
  const grpc::Status mapped = ToGrpcStatus(status);
  EXPECT_EQ(mapped.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(mapped.error_details()));
  EXPECT_EQ(details.code(), 3);
  EXPECT_EQ(details.message(), "items[3].text: is blank");
  google::rpc::BadRequest bad_request;
  ASSERT_EQ(details.details_size(), 1);
  ASSERT_TRUE(details.details(0).UnpackTo(&bad_request));
  EXPECT_EQ(bad_request.field_violations(0).field(), "items[3].text");
  EXPECT_EQ(bad_request.field_violations(0).description(), "is blank");
}

TEST(StatusMappingTest, RetryDelaysTravelInTheDetails) {
  const absl::Status status = WithRetryAfter(absl::ResourceExhaustedError("full"), milliseconds(1234));
  EXPECT_EQ(RetryAfterOf(status), milliseconds(1234));
  EXPECT_EQ(RetryAfterOf(absl::ResourceExhaustedError("full")), milliseconds(0));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(ToGrpcStatus(status).error_details()));
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(details.details(0).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 234'000'000);
}

TEST(StatusMappingTest, MessagesAreClippedAndAlwaysUtf8) {
  std::string hostile = "bad \xff\xc0\x80\xed\xa0\x80 byte\n";
  for (int i = 0; i < 1000; ++i) hostile += "\u20ac";
  const grpc::Status mapped = ToGrpcStatus(InvalidField("text", hostile));
  EXPECT_LE(mapped.error_message().size(), kMaxStatusMessageBytes);
  EXPECT_LT(mapped.error_details().size(), 3 * kMaxStatusMessageBytes);
  EXPECT_FALSE(FirstInvalidUtf8(mapped.error_message()).has_value());
  EXPECT_EQ(mapped.error_message().find('\n'), std::string::npos);
  EXPECT_THAT(mapped.error_message(), ::testing::StartsWith("text: bad ?????? byte?"));
  EXPECT_THAT(mapped.error_message(), ::testing::EndsWith("\u20ac..."));
}

TEST(StatusMappingTest, ItemsGetCodeMessageAndField) {
  EXPECT_EQ(ToItemStatus(absl::OkStatus()).code(), 0);
  const v1::ItemStatus item = ToItemStatus(InvalidField("items[0].pair", "no"));
  EXPECT_EQ(item.code(), 3);
  EXPECT_EQ(item.message(), "items[0].pair: no");
  EXPECT_EQ(item.field(), "items[0].pair");
}

TEST(StatusMappingTest, QuotingEscapesAndClips) {
  EXPECT_EQ(Quoted("a\"b\n"), "\"a\\\"b\\n\"");
  EXPECT_EQ(Quoted(std::string(100, 'x')), "\"" + std::string(64, 'x') + "...\"");
}

TEST(Utf8Test, FindsTheFirstBadByte) {
  EXPECT_EQ(FirstInvalidUtf8("h\u00e9\u20ac\U0001f600"), std::nullopt);
  EXPECT_EQ(FirstInvalidUtf8(""), std::nullopt);
  EXPECT_EQ(FirstInvalidUtf8("ab\xc3"), 2u);            // cut short
  EXPECT_EQ(FirstInvalidUtf8("\xc1\xbf"), 0u);          // overlong, 2 bytes
  EXPECT_EQ(FirstInvalidUtf8("a\xe0\x9f\xbf"), 1u);     // overlong, 3 bytes
  EXPECT_EQ(FirstInvalidUtf8("\xf0\x8f\xbf\xbf"), 0u);  // overlong, 4 bytes
  EXPECT_EQ(FirstInvalidUtf8("\xed\xa0\x80"), 0u);      // surrogate
  EXPECT_EQ(FirstInvalidUtf8("\xf4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(FirstInvalidUtf8("\xf4\x8f\xbf\xbf"), std::nullopt);
}

}  // namespace
}  // namespace attendant
