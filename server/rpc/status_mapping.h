// The one place where our statuses become gRPC's, and where errors get their machine-readable parts.
//
// An absl::Status carries google.rpc details as payloads under their type URLs: BadRequest (which field is wrong) and
// RetryInfo (when to come again). ToGrpcStatus puts them into "grpc-status-details-bin", ToItemStatus into ItemStatus.
// Messages are clipped and made valid UTF-8 here, because parts of them come from callers and end up in HTTP headers.
// Thread-safety: free functions without state.
#ifndef ATTENDANT_SERVER_RPC_STATUS_MAPPING_H_
#define ATTENDANT_SERVER_RPC_STATUS_MAPPING_H_

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace attendant {

namespace v1 {
class ItemStatus;
}

inline constexpr size_t kMaxStatusMessageBytes = 512;
// Where gRPC clients look for the server's word on their retries.
inline constexpr char kRetryPushbackKey[] = "grpc-retry-pushback-ms";

// INVALID_ARGUMENT "<field>: <description>" with the field as a BadRequest violation.
absl::Status InvalidField(std::string_view field, std::string_view description);

absl::Status WithRetryAfter(absl::Status status, std::chrono::milliseconds delay);

// What InvalidField and WithRetryAfter put in; "" and 0 where there is none.
std::string FieldOf(const absl::Status& status);
std::chrono::milliseconds RetryAfterOf(const absl::Status& status);

// The message, clipped and made valid UTF-8 without control characters.
std::string ClippedMessage(const absl::Status& status);

// A caller's string for a message: quoted, escaped, at most some 64 characters.
std::string Quoted(std::string_view text);

grpc::Status ToGrpcStatus(const absl::Status& status);
v1::ItemStatus ToItemStatus(const absl::Status& status);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_STATUS_MAPPING_H_
