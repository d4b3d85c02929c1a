// Serves /metrics over HTTP, on its own threads, so that a busy or stuck RPC layer can still be watched.
//
// It is not: the place for readiness; that is grpc.health.v1.
// Thread-safety: Start once, then only the destructor, which ends the listener and waits for its threads.
#ifndef ATTENDANT_SERVER_OBSERVABILITY_METRICS_SERVER_H_
#define ATTENDANT_SERVER_OBSERVABILITY_METRICS_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/observability/metrics.h"

namespace attendant {

class MetricsServer {
 public:
  // address: HOST:PORT; port 0 takes a free one; IPv6 only where the HTTP library (civetweb) was built with it. An
  // address that is malformed or taken is an error that names it. metrics must outlive the server.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& address, const Metrics& metrics);
  ~MetricsServer();

  int port() const { return port_; }

 private:
  class Impl;
  MetricsServer(std::unique_ptr<Impl> impl, int port);

  std::unique_ptr<Impl> impl_;
  int port_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_OBSERVABILITY_METRICS_SERVER_H_
