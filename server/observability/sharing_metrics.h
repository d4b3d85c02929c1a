// Metrics of shared work and of the cache of results, read at the moment of the scrape.
//
// Thread-safety: every member from any thread.
#ifndef ATTENDANT_SERVER_OBSERVABILITY_SHARING_METRICS_H_
#define ATTENDANT_SERVER_OBSERVABILITY_SHARING_METRICS_H_

#include <functional>
#include <mutex>
#include <vector>

#include "prometheus/collectable.h"
#include "server/scheduling/work_sharing.h"

namespace attendant {

class SharingMetrics final : public prometheus::Collectable {
 public:
  // nullptr: nothing. When it returns, what was set before is not running.
  void Set(std::function<SharingStats()> stats);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable std::mutex mutex_;  // guards stats_, and holds it while it runs
  std::function<SharingStats()> stats_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_OBSERVABILITY_SHARING_METRICS_H_
