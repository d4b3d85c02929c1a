// The metrics of each model, asked for at every scrape: models come and go, and with them their series.
//
// Thread-safety: Set and Collect from any thread; when Set returns, no call of the old function is under way.
#ifndef ATTENDANT_SERVER_OBSERVABILITY_MODEL_COLLECTOR_H_
#define ATTENDANT_SERVER_OBSERVABILITY_MODEL_COLLECTOR_H_

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "server/observability/metrics.h"

namespace attendant {

// One unreadable byte in a label would make Prometheus refuse the whole scrape.
std::string LabelText(std::string_view text);

class ModelCollector final : public prometheus::Collectable {
 public:
  void Set(std::function<std::vector<ModelSample>()> models);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable std::mutex mutex_;
  std::function<std::vector<ModelSample>()> models_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_OBSERVABILITY_MODEL_COLLECTOR_H_
