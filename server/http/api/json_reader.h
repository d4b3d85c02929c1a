// A request's JSON as a tree, from bytes that may be anything: bounded in depth, each key of an object once, UTF-8.
//
// It is not: the meaning of any request. Includes nlohmann's declarations only. Thread-safety: free functions.
#ifndef ATTENDANT_SERVER_HTTP_API_JSON_READER_H_
#define ATTENDANT_SERVER_HTTP_API_JSON_READER_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace attendant {

// Bytes that the tree of a text may take, without the text's own strings; more rather than less.
int64_t JsonTreeBytes(std::string_view text);

// INVALID_ARGUMENT says what is wrong and at which byte.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text);
// The same without the tree.
absl::Status CheckJson(std::string_view text);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_JSON_READER_H_
