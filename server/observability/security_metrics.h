// Metrics of API keys and certificates, read at the moment of the scrape from those who hold them.
//
// Labels are the names of the keys that are configured at that moment, so callers cannot make series.
// Thread-safety: every member from any thread.
#ifndef ATTENDANT_SERVER_OBSERVABILITY_SECURITY_METRICS_H_
#define ATTENDANT_SERVER_OBSERVABILITY_SECURITY_METRICS_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "prometheus/collectable.h"

namespace attendant {

struct SecurityStats {
  struct Key {
    std::string name;
    int64_t requests = 0;
    int64_t tokens = 0;
    int64_t refused = 0;
  };
  std::vector<Key> keys;
  std::optional<int64_t> certificate_expiry_unix_seconds;
};

class SecurityMetrics final : public prometheus::Collectable {
 public:
  // nullptr: nothing. When it returns, what was set before is not running.
  void Set(std::function<SecurityStats()> stats);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable std::mutex mutex_;  // guards stats_, and holds it while it runs
  std::function<SecurityStats()> stats_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_OBSERVABILITY_SECURITY_METRICS_H_
