#include "server/observability/sharing_metrics.h"

#include <cstdint>
#include <utility>

#include "prometheus/metric_family.h"

namespace attendant {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily Family(const char* name, const char* help, MetricType type, int64_t value) {
  ClientMetric metric;
  metric.counter.value = metric.gauge.value = static_cast<double>(value);
  return {name, help, type, {metric}};
}

}  // namespace

void SharingMetrics::Set(std::function<SharingStats()> stats) {
  const std::lock_guard lock(mutex_);
  stats_ = std::move(stats);
}

std::vector<MetricFamily> SharingMetrics::Collect() const {
  SharingStats now;
  {
    const std::lock_guard lock(mutex_);
    if (!stats_) return {};
    now = stats_();
  }
  std::vector<MetricFamily> families = {
      Family("attendant_shared_items_total", "Items that were computed together with the same item of another request.",
             MetricType::Counter, now.joined_items)};
  if (now.cache_limit_bytes == 0) return families;
  const CacheStats& cache = now.cache;
  families.push_back(Family("attendant_cache_hits_total", "Items whose result was known from before.",
                            MetricType::Counter, cache.hits));
  families.push_back(Family("attendant_cache_misses_total", "Items that were looked for in the cache in vain.",
                            MetricType::Counter, cache.misses));
  families.push_back(Family("attendant_cache_evictions_total", "Results that the cache had no room for any more.",
                            MetricType::Counter, cache.evictions));
  families.push_back(Family("attendant_cache_entries", "Results in the cache.", MetricType::Gauge, cache.entries));
  families.push_back(Family("attendant_cache_bytes", "Memory that the cache takes.", MetricType::Gauge, cache.bytes));
  families.push_back(Family("attendant_cache_limit_bytes", "Memory that the cache may take.", MetricType::Gauge,
                            now.cache_limit_bytes));
  return families;
}

}  // namespace attendant
