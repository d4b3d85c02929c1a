#include "server/http/metrics_listener.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/security/api_keys.h"

namespace attendant {
namespace {

// What Prometheus asks for.
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

MetricsListener::MetricsListener(MetricsListenerOptions options)
    : options_(std::move(options)), server_({.address = options_.address, .tls = options_.tls}) {
  server_.Handle("GET", "/metrics", [this](const HttpRequest& request) { return Scrape(request); });
  server_.Handle("GET", "/healthz", [](const HttpRequest&) { return HttpResponse{.body = "alive\n"}; });
  server_.Handle("GET", "/readyz", [this](const HttpRequest&) {
    return options_.ready() ? HttpResponse{.body = "ready\n"} : HttpResponse{.status = 503, .body = "not ready\n"};
  });
}

absl::StatusOr<std::unique_ptr<MetricsListener>> MetricsListener::Start(MetricsListenerOptions options) {
  std::unique_ptr<MetricsListener> listener(new MetricsListener(std::move(options)));
  if (absl::Status status = listener->server_.Start(); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("metrics: ", status.message(), " (--metrics-address)"));
  }
  return listener;
}

HttpResponse MetricsListener::Scrape(const HttpRequest& request) const {
  if (options_.keys != nullptr) {
    const auto key = PresentedKey(request.credentials());
    const auto caller = key.ok() ? options_.keys->Find(*key) : nullptr;
    if (caller == nullptr) {
      return {.status = 401, .body = "a valid API key is wanted: Authorization: Bearer KEY, or X-API-Key: KEY\n"};
    }
    if (!caller->Has(Right::kMetrics)) {
      return {.status = 403,
              .body = absl::StrCat("API key \"", caller->name(), "\" does not open /metrics (allow=metrics)\n")};
    }
  }
  return {.content_type = kMetricsType, .body = options_.metrics->Render()};
}

}  // namespace attendant
