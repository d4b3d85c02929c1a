#include "server/observability/metrics_server.h"

#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "prometheus/exposer.h"

namespace attendant {
namespace {

// One for the scraper, one for a person who looks at the same time.
constexpr const char* kThreads = "2";
// A client that connects and says nothing must not hold one of them for long.
constexpr const char* kTimeoutMs = "5000";

// HOST:PORT with one port and nothing that the HTTP library would read as something else (it takes lists of ports, and
// letters after them as options).
bool IsHostAndPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) return false;
  if (address.find_first_of(", \t\n+") != std::string::npos) return false;
  int port = 0;
  for (const char c : address.substr(colon + 1)) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + (c - '0');
    if (port > 65535) return false;
  }
  const bool bracketed = address[0] == '[' && address[colon - 1] == ']';
  return bracketed || address.find(':') == colon;
}

}  // namespace

class MetricsServer::Impl {
 public:
  Impl(std::vector<std::string> options, const Metrics& metrics) : exposer_(std::move(options)) {
    for (const auto& collectable : metrics.collectables()) exposer_.RegisterCollectable(collectable);
  }

  std::vector<int> ports() const { return exposer_.GetListeningPorts(); }

 private:
  prometheus::Exposer exposer_;
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address,
                                                                    const Metrics& metrics) {
  if (!IsHostAndPort(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("metrics address \"", address, "\" is not HOST:PORT, such as 127.0.0.1:9464 or 0.0.0.0:9464"));
  }
  // The library reports failure by exceptions of its own.
  try {
    auto impl = std::make_unique<Impl>(
        std::vector<std::string>{"listening_ports", address, "num_threads", kThreads, "request_timeout_ms", kTimeoutMs},
        metrics);
    const std::vector<int> ports = impl->ports();
    if (!ports.empty()) {
      return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(impl), ports.front()));
    }
  } catch (const std::exception&) {
    // Its text says nothing that ours does not.
  }
  return absl::UnavailableError(
      absl::StrCat("cannot listen on metrics address ", address,
                   ": the port is taken, not permitted, or the host is not this machine's",
                   address[0] == '[' ? " (Debian's HTTP library is built without IPv6)" : ""));
}

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl, int port) : impl_(std::move(impl)), port_(port) {}
MetricsServer::~MetricsServer() = default;

}  // namespace attendant
