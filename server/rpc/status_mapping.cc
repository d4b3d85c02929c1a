#include "server/rpc/status_mapping.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <grpcpp/support/status.h>

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "attendant/v1/embedding.pb.h"
#include "google/rpc/error.pb.h"
#include "server/rpc/utf8.h"

namespace attendant {
namespace {

constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";
constexpr size_t kMaxQuotedBytes = 64;

absl::string_view ToAbsl(std::string_view view) { return {view.data(), view.size()}; }

std::string ClippedMessage(absl::string_view message) {
  std::string clipped;
  std::string_view rest(message.data(), message.size());
  while (!rest.empty()) {
    const size_t length = Utf8SequenceLength(rest);
    const bool control = length == 1 && static_cast<unsigned char>(rest.front()) < ' ';
    const std::string_view piece = length == 0 || control ? std::string_view("?") : rest.substr(0, length);
    if (clipped.size() + piece.size() > kMaxStatusMessageBytes - 3) return clipped + "...";
    clipped += piece;
    rest.remove_prefix(std::max<size_t>(length, 1));
  }
  return clipped;
}

template <typename Message>
void SetDetail(const char* url, const Message& detail, absl::Status* status) {
  status->SetPayload(url, absl::Cord(detail.SerializeAsString()));
}

template <typename Message>
bool GetDetail(const absl::Status& status, const char* url, Message* detail) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload.has_value() && detail->ParseFromString(std::string(*payload));
}

}  // namespace

absl::Status InvalidField(std::string_view field, std::string_view description) {
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(ToAbsl(field), ": ", ToAbsl(description)));
  google::rpc::BadRequest details;
  auto* violation = details.add_field_violations();
  violation->set_field(std::string(field));
  violation->set_description(ClippedMessage(ToAbsl(description)));
  SetDetail(kBadRequestUrl, details, &status);
  return status;
}

absl::Status WithRetryAfter(absl::Status status, std::chrono::milliseconds delay) {
  google::rpc::RetryInfo details;
  details.mutable_retry_delay()->set_seconds(delay.count() / 1000);
  details.mutable_retry_delay()->set_nanos(static_cast<int32_t>(delay.count() % 1000) * 1'000'000);
  SetDetail(kRetryInfoUrl, details, &status);
  return status;
}

std::string FieldOf(const absl::Status& status) {
  google::rpc::BadRequest details;
  if (!GetDetail(status, kBadRequestUrl, &details) || details.field_violations().empty()) return "";
  return details.field_violations(0).field();
}

std::chrono::milliseconds RetryAfterOf(const absl::Status& status) {
  google::rpc::RetryInfo details;
  if (!GetDetail(status, kRetryInfoUrl, &details)) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(details.retry_delay().seconds() * 1000 + details.retry_delay().nanos() / 1'000'000);
}

std::string Quoted(std::string_view text) {
  const std::string clipped(text.substr(0, kMaxQuotedBytes));
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(clipped), text.size() > kMaxQuotedBytes ? "..." : "", "\"");
}

std::string ClippedMessage(const absl::Status& status) { return ClippedMessage(status.message()); }

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(status.raw_code());
  details.set_message(ClippedMessage(status.message()));
  status.ForEachPayload([&details](absl::string_view url, const absl::Cord& payload) {
    auto* any = details.add_details();
    any->set_type_url(std::string(url));
    any->set_value(std::string(payload));
  });
  const auto code = static_cast<grpc::StatusCode>(status.raw_code());
  if (details.details().empty()) return grpc::Status(code, details.message());
  return grpc::Status(code, details.message(), details.SerializeAsString());
}

v1::ItemStatus ToItemStatus(const absl::Status& status) {
  v1::ItemStatus item;
  if (status.ok()) return item;
  item.set_code(status.raw_code());
  item.set_message(ClippedMessage(status.message()));
  item.set_field(FieldOf(status));
  return item;
}

}  // namespace attendant
