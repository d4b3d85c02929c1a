// The process's own metrics under the names that Prometheus libraries agree on, read from /proc at every scrape.
//
// Thread-safety: Collect from any thread; it keeps no state.
#ifndef ATTENDANT_SERVER_OBSERVABILITY_PROCESS_METRICS_H_
#define ATTENDANT_SERVER_OBSERVABILITY_PROCESS_METRICS_H_

#include <string>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace attendant {

class ProcessMetrics final : public prometheus::Collectable {
 public:
  // proc: a directory of the same files, in tests.
  explicit ProcessMetrics(std::string proc = "/proc") : proc_(std::move(proc)) {}

  // What cannot be read is left out.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::string proc_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_OBSERVABILITY_PROCESS_METRICS_H_
