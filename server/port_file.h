// The ports that were bound, for scripts and tests that asked for port 0. Thread-safety: a function without state.
#ifndef ATTENDANT_SERVER_PORT_FILE_H_
#define ATTENDANT_SERVER_PORT_FILE_H_

#include <string>

#include "absl/status/status.h"

namespace attendant {

// Lines "grpc=PORT" and, unless it is 0, "metrics=PORT". The file appears complete or not at all.
absl::Status WritePortFile(const std::string& path, int grpc_port, int metrics_port);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_PORT_FILE_H_
