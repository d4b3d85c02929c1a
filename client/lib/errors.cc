#include "client/lib/errors.h"

#include <grpcpp/support/status.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/lib/retry.h"
#include "google/rpc/error.pb.h"

namespace attendant::client {
namespace {

// Enough for SetRetryAfter's own cap to bite, too few to overflow.
constexpr int64_t kMaxSeconds = 1'000'000;

Milliseconds ToMilliseconds(const google::protobuf::Duration& duration) {
  const int64_t seconds = std::clamp<int64_t>(duration.seconds(), 0, kMaxSeconds);
  return Milliseconds(seconds * 1000 + std::clamp(duration.nanos(), 0, 999'999'999) / 1'000'000);
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status, const std::string& where) {
  if (status.ok()) return absl::OkStatus();
  std::string message = absl::StrCat(where, ": ", status.error_message());
  std::optional<Milliseconds> retry_after;
  google::rpc::Status details;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& detail : details.details()) {
      google::rpc::RetryInfo retry_info;
      google::rpc::BadRequest bad_request;
      if (detail.Is<google::rpc::RetryInfo>() && detail.UnpackTo(&retry_info)) {
        retry_after = ToMilliseconds(retry_info.retry_delay());
      } else if (detail.Is<google::rpc::BadRequest>() && detail.UnpackTo(&bad_request)) {
        for (const auto& violation : bad_request.field_violations()) {
          if (message.find(violation.field()) == std::string::npos)
            absl::StrAppend(&message, " [", violation.field(), "]");
        }
      }
    }
  }
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), message);
  if (retry_after.has_value()) SetRetryAfter(*retry_after, &result);
  return result;
}

}  // namespace attendant::client
