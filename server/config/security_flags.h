// The settings of keys and certificates: which files, and what they protect.
//
// Thread-safety: plain data and pure functions.
#ifndef ATTENDANT_SERVER_CONFIG_SECURITY_FLAGS_H_
#define ATTENDANT_SERVER_CONFIG_SECURITY_FLAGS_H_

#include <string>

#include "absl/status/status.h"

namespace CLI {
class App;
}

namespace attendant {

struct SecurityConfig {
  std::string api_keys_file;  // empty: no keys, whoever can connect may call
  std::string tls_cert;       // empty: no TLS
  std::string tls_key;
  std::string tls_client_ca;  // empty: clients need no certificate
  bool metrics_tls = false;
  bool metrics_require_key = false;
  std::string reflection = "auto";  // on, off; auto: on without keys
};

void AddSecurityFlags(CLI::App& app, SecurityConfig* config);

// Settings that contradict each other; INVALID_ARGUMENT names both.
absl::Status CheckSecurityConfig(const SecurityConfig& config);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_CONFIG_SECURITY_FLAGS_H_
