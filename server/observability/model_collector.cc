#include "server/observability/model_collector.h"

#include <utility>

namespace attendant {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric Labelled(std::vector<ClientMetric::Label> labels) {
  ClientMetric metric;
  metric.label = std::move(labels);
  return metric;
}

ClientMetric Gauge(std::vector<ClientMetric::Label> labels, double value) {
  ClientMetric metric = Labelled(std::move(labels));
  metric.gauge.value = value;
  return metric;
}

ClientMetric Counter(std::vector<ClientMetric::Label> labels, double value) {
  ClientMetric metric = Labelled(std::move(labels));
  metric.counter.value = value;
  return metric;
}

// A model that is draining has the name of its successor, and its series would be the same.
bool IsCurrent(const ModelSample& model) { return model.state != "DRAINING"; }

}  // namespace

std::string LabelText(std::string_view text) {
  std::string label(text);
  for (char& c : label) {
    if (c < 0x20 || c > 0x7E) c = '_';
  }
  return label;
}

void ModelCollector::Set(std::function<std::vector<ModelSample>()> models) {
  const std::lock_guard lock(mutex_);
  models_ = std::move(models);
}

std::vector<MetricFamily> ModelCollector::Collect() const {
  std::vector<ModelSample> models;
  {
    const std::lock_guard lock(mutex_);
    if (!models_) return {};
    models = models_();
  }
  MetricFamily info{"attendant_model_info", "1 for each model that answers.", MetricType::Gauge, {}};
  MetricFamily state{"attendant_model_state", "1 for the state that a model is in.", MetricType::Gauge, {}};
  MetricFamily memory{"attendant_model_memory_bytes", "Estimated memory of a model.", MetricType::Gauge, {}};
  MetricFamily batches{
      "attendant_model_batches_total", "Batches computed with a model since it was loaded.", MetricType::Counter, {}};
  MetricFamily items{
      "attendant_model_items_total", "Items computed with a model since it was loaded.", MetricType::Counter, {}};
  MetricFamily tokens{
      "attendant_model_tokens_total", "Tokens computed with a model since it was loaded.", MetricType::Counter, {}};
  MetricFamily compute{"attendant_model_compute_seconds_total",
                       "Time that workers spent computing with a model since it was loaded, summed over workers.",
                       MetricType::Counter,
                       {}};
  double draining = 0;
  for (const ModelSample& model : models) {
    if (!IsCurrent(model)) {
      ++draining;
      continue;
    }
    const std::string name = LabelText(model.name);
    state.metric.push_back(Gauge({{"model", name}, {"state", model.state}}, 1));
    if (model.fingerprint.empty()) continue;
    info.metric.push_back(Gauge({{"model", name},
                                 {"fingerprint", LabelText(model.fingerprint)},
                                 {"precision", LabelText(model.precision)},
                                 {"kernels", LabelText(model.kernels)}},
                                1));
    memory.metric.push_back(Gauge({{"model", name}}, static_cast<double>(model.memory_bytes)));
    batches.metric.push_back(Counter({{"model", name}}, static_cast<double>(model.batches)));
    items.metric.push_back(Counter({{"model", name}}, static_cast<double>(model.items)));
    tokens.metric.push_back(Counter({{"model", name}}, static_cast<double>(model.tokens)));
    compute.metric.push_back(Counter({{"model", name}}, std::chrono::duration<double>(model.compute).count()));
  }
  MetricFamily old{"attendant_models_draining",
                   "Models that were replaced or unloaded and that calls still use.",
                   MetricType::Gauge,
                   {Gauge({}, draining)}};
  return {info, state, memory, batches, items, tokens, compute, old};
}

}  // namespace attendant
