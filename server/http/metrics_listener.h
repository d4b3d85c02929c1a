// /metrics, /healthz and /readyz over HTTP, on threads of their own: a busy or stuck RPC layer can still be watched.
//
//   /metrics  the Prometheus text format
//   /healthz  200 as long as the process can answer at all: for restarting what is dead, not what is busy
//   /readyz   200 when calls should come here, 503 while it starts or drains; what grpc.health.v1 says, too
// The two of health never want a key: those who ask them have none, and learn one bit.
// Thread-safety: Start once, then only the destructor, which ends the listener at once.
#ifndef ATTENDANT_SERVER_HTTP_METRICS_LISTENER_H_
#define ATTENDANT_SERVER_HTTP_METRICS_LISTENER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/http/http_server.h"
#include "server/observability/metrics.h"

namespace attendant {

class ApiKeys;
class TlsStore;

struct MetricsListenerOptions {
  std::string address;  // HOST:PORT or [IPv6]:PORT; port 0 takes a free one
  const Metrics* metrics = nullptr;
  std::function<bool()> ready;    // called on the listener's threads
  const TlsStore* tls = nullptr;  // nullptr: plain HTTP
  const ApiKeys* keys = nullptr;  // whose holders with the right to metrics may scrape; nullptr: everybody
};

class MetricsListener {
 public:
  // An address that is malformed or taken is an error that names it. What the options point to must outlive it.
  static absl::StatusOr<std::unique_ptr<MetricsListener>> Start(MetricsListenerOptions options);

  int port() const { return server_.port(); }

 private:
  explicit MetricsListener(MetricsListenerOptions options);
  HttpResponse Scrape(const HttpRequest& request) const;

  const MetricsListenerOptions options_;
  HttpServer server_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_METRICS_LISTENER_H_
