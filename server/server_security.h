// A server's keys and certificates, loaded, watched, and reported on: what --api-keys-file and --tls-... ask for.
//
// Thread-safety: Load, then any member from any thread. It must outlive everything that uses keys() or tls().
#ifndef ATTENDANT_SERVER_SERVER_SECURITY_H_
#define ATTENDANT_SERVER_SERVER_SECURITY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/security_flags.h"
#include "server/observability/security_metrics.h"
#include "server/security/api_keys.h"
#include "server/security/file_watch.h"
#include "server/security/tls_store.h"

namespace attendant {

class ServerSecurity {
 public:
  // A file that is missing or wrong is an error that names it. Watches the files from here on.
  static absl::StatusOr<std::unique_ptr<ServerSecurity>> Load(const SecurityConfig& config);

  // nullptr without keys, without TLS.
  ApiKeys* keys() const { return keys_.get(); }
  TlsStore* tls() const { return tls_.get(); }
  // For the metrics listener, which may do without.
  const ApiKeys* metrics_keys() const { return config_.metrics_require_key ? keys_.get() : nullptr; }
  const TlsStore* metrics_tls() const { return config_.metrics_tls ? tls_.get() : nullptr; }
  bool reflection() const;

  SecurityStats Stats() const;
  // Reads all files again now; for SIGHUP.
  void Reload() { watch_.ReloadAll(); }

  // One warning about all listeners that others than this machine reach without a key or without TLS. An empty address
  // is no listener.
  struct Addresses {
    std::string grpc;
    std::string http;
    std::string metrics;
    std::string admin;
  };
  void WarnOfExposure(const Addresses& addresses) const;

 private:
  explicit ServerSecurity(SecurityConfig config) : config_(std::move(config)) {}

  const SecurityConfig config_;
  std::unique_ptr<ApiKeys> keys_;
  std::unique_ptr<TlsStore> tls_;
  FileWatch watch_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SERVER_SECURITY_H_
