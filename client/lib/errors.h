// grpc::Status to absl::Status, with what the server said about trying again and about wrong fields.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_LIB_ERRORS_H_
#define ATTENDANT_CLIENT_LIB_ERRORS_H_

#include <string>

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace attendant::client {

// where: what was being done, such as "Embed at 127.0.0.1:50051"; it opens the message.
absl::Status FromGrpc(const grpc::Status& status, const std::string& where);

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_ERRORS_H_
