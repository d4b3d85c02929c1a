// Looks at a request's bytes before they become a message: what would parsing cost in memory, how many items are there,
// and, when parsing fails, where and why.
//
// Two bytes on the wire can become an empty message of fifty in memory, and gRPC answers bytes that do not parse with
// UNIMPLEMENTED and no text. So the services take raw bytes, scan them, reserve the memory, and only then parse.
// It is not: a parser; nothing is kept. Thread-safety: free functions without state.
#ifndef ATTENDANT_SERVER_RPC_MESSAGE_SCAN_H_
#define ATTENDANT_SERVER_RPC_MESSAGE_SCAN_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace google::protobuf {
class Descriptor;
namespace io {
class ZeroCopyInputStream;
}
}  // namespace google::protobuf

namespace attendant {

struct MessageScan {
  // INVALID_ARGUMENT when the bytes are not a message of this type: the path of the field at fault and the reason.
  absl::Status status;
  int64_t memory_bytes = 0;  // upper bound of what the parsed message takes
  int64_t items = 0;         // occurrences of fields named "items"
};

struct ScanOptions {
  int64_t max_items = 0;  // the scan ends, with status OK, at the first item too many
  bool check_utf8 = false;
};

MessageScan ScanMessage(const google::protobuf::Descriptor& type, google::protobuf::io::ZeroCopyInputStream* bytes,
                        const ScanOptions& options);

// The last string under this field number at the top of a message that as a whole may be malformed; "" when there is
// none before the damage, or when it is not UTF-8.
std::string FindString(int field_number, google::protobuf::io::ZeroCopyInputStream* bytes);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_MESSAGE_SCAN_H_
