// The settings of the HTTP port.
//
// Thread-safety: plain data; the functions belong to the parsing of one command line.
#ifndef ATTENDANT_SERVER_CONFIG_HTTP_FLAGS_H_
#define ATTENDANT_SERVER_CONFIG_HTTP_FLAGS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace CLI {
class App;
}

namespace attendant {

struct HttpSettings {
  std::string address;         // empty: no HTTP port; the flag's default is another
  int64_t max_body_bytes = 0;  // 0: as --max-message-bytes
  int32_t max_connections = 512;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{30'000};
  std::chrono::milliseconds idle_timeout{75'000};
  std::vector<std::string> cors_origins;
  bool gzip = true;
};

// It must stay where it is until the command line is parsed.
void AddHttpFlags(CLI::App& app, HttpSettings* settings);
// After it. INVALID_ARGUMENT names the flag.
absl::Status FinishHttpFlags(HttpSettings* settings);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_CONFIG_HTTP_FLAGS_H_
