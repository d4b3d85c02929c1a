#include "server/observability/security_metrics.h"

#include <utility>

#include "prometheus/metric_family.h"

namespace attendant {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily KeyFamily(const char* name, const char* help, const SecurityStats& stats,
                       int64_t SecurityStats::Key::*value) {
  MetricFamily family{name, help, MetricType::Counter, {}};
  for (const SecurityStats::Key& key : stats.keys) {
    ClientMetric metric;
    metric.label = {{"key", key.name}};
    metric.counter.value = static_cast<double>(key.*value);
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace

void SecurityMetrics::Set(std::function<SecurityStats()> stats) {
  const std::lock_guard lock(mutex_);
  stats_ = std::move(stats);
}

std::vector<MetricFamily> SecurityMetrics::Collect() const {
  SecurityStats now;
  {
    const std::lock_guard lock(mutex_);
    if (!stats_) return {};
    now = stats_();
  }
  std::vector<MetricFamily> families;
  if (!now.keys.empty()) {
    families = {KeyFamily("attendant_key_requests_total", "Requests by the API key that they came with.", now,
                          &SecurityStats::Key::requests),
                KeyFamily("attendant_key_tokens_total", "Tokens charged to the API key, whether it has a quota or not.",
                          now, &SecurityStats::Key::tokens),
                KeyFamily("attendant_key_refused_total", "Requests refused because the API key's quota was used up.",
                          now, &SecurityStats::Key::refused)};
  }
  if (now.certificate_expiry_unix_seconds.has_value()) {
    ClientMetric metric;
    metric.gauge.value = static_cast<double>(*now.certificate_expiry_unix_seconds);
    families.push_back({"attendant_tls_certificate_expiry_timestamp_seconds",
                        "When the first certificate of the server's chain expires, in seconds since 1970.",
                        MetricType::Gauge,
                        {metric}});
  }
  return families;
}

}  // namespace attendant
