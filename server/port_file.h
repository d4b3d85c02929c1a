// The ports that were bound, for scripts and tests that asked for port 0. Thread-safety: a function without state.
#ifndef ATTENDANT_SERVER_PORT_FILE_H_
#define ATTENDANT_SERVER_PORT_FILE_H_

#include <string>

#include "absl/status/status.h"

namespace attendant {

struct BoundPorts {
  int grpc = 0;
  int http = 0;     // 0: none
  int metrics = 0;  // 0: none
  int admin = 0;    // 0: none
};

// Lines "grpc=PORT" and, unless they are 0, "http=PORT", "metrics=PORT", "admin=PORT". The file appears complete or not
// at all.
absl::Status WritePortFile(const std::string& path, const BoundPorts& ports);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_PORT_FILE_H_
