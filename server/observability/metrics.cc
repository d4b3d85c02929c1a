// Every series a request can touch is found through an array of pointers, by method and code, so that the hot path
// costs an atomic addition for a counter and one uncontended mutex for a histogram. A series of a rare code is made
// when it first occurs, under its family's own lock.
#include "server/observability/metrics.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <utility>

#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/observability/model_collector.h"
#include "server/observability/process_metrics.h"
#include "server/observability/security_metrics.h"
#include "server/observability/sharing_metrics.h"

namespace attendant {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;
using prometheus::MetricFamily;
using prometheus::MetricType;

// Some three buckets per decade from 100 us to 30 s: a percentile is off by less than a factor of 2.5.
const Histogram::BucketBoundaries kSecondsBuckets = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                     0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30};
const Histogram::BucketBoundaries kItemsBuckets = {1, 2, 4, 8, 16, 32, 64, 128, 256};
const Histogram::BucketBoundaries kTokensBuckets = {8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192};

// clang-format off
constexpr std::array<std::string_view, kNumRpcMethods> kMethodNames = {
    "Embed", "EmbedStream", "GetAttention", "Tokenize", "Rank", "Similarity", "ListModels", "GetModel",
    "LoadModel", "SwapModel", "UnloadModel", "ReloadConfig", "ListLoadedModels",
    "tei.Info", "tei.Embed", "tei.EmbedStream", "tei.EmbedAll", "tei.EmbedAllStream", "tei.Tokenize",
    "tei.TokenizeStream", "tei.Decode", "tei.DecodeStream", "tei.not_offered",
    "inference.ServerLive", "inference.ServerReady", "inference.ModelReady", "inference.ServerMetadata",
    "inference.ModelMetadata", "inference.ModelConfig", "inference.ModelStatistics", "inference.ModelInfer",
    "inference.ModelStreamInfer", "inference.RepositoryIndex", "inference.not_offered",
    "http.Embed", "http.Tokenize", "http.Rank", "http.Similarity", "http.GetAttention",
    "http.ListModels", "http.GetModel", "http.Metrics",
    "openai.Embeddings", "openai.ListModels", "openai.GetModel",
    "http.tei.Embed", "http.tei.EmbedAll", "http.tei.Tokenize", "http.tei.Decode", "http.tei.Info",
    "http.tei.not_offered", "cohere.Embed"};
// clang-format on
constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};
constexpr std::array<std::string_view, 2> kStageNames = {"queue", "compute"};
constexpr std::array<std::string_view, kNumServiceClasses> kClassNames = {"interactive", "bulk"};
// By Refusal.
constexpr std::array<std::string_view, kNumRefusals> kRefusalNames = {"none",     "too_large", "queue_full", "shed",
                                                                      "deadline", "expired",   "draining"};
// Predicted over actual: finer around 1, where it should be.
const Histogram::BucketBoundaries kRatioBuckets = {0.25, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2, 4};

size_t MethodIndex(RpcMethod method) {
  return std::min(static_cast<size_t>(method), static_cast<size_t>(kNumRpcMethods - 1));
}

size_t CodeIndex(absl::StatusCode code) {
  const auto index = static_cast<size_t>(code);
  return index < kCodeNames.size() ? index : static_cast<size_t>(absl::StatusCode::kUnknown);
}

std::string String(std::string_view view) { return std::string(view); }

double Seconds(Microseconds time) { return std::chrono::duration<double>(time).count(); }

// Counters of one family by two labels of small, fixed ranges, made when first needed.
template <size_t kRows, size_t kColumns>
class CounterTable {
 public:
  using LabelMaker = Labels (*)(size_t row, size_t column);

  CounterTable(Family<Counter>& family, LabelMaker labels) : family_(family), labels_(labels) {}

  void Add(size_t row, size_t column, double value) { At(row, column).Increment(value); }

  Counter& At(size_t row, size_t column) {
    std::atomic<Counter*>& slot = counters_[row][column];
    if (Counter* counter = slot.load(std::memory_order_acquire)) return *counter;
    // Two threads that both come here get the same series from the family.
    Counter& counter = family_.Add(labels_(row, column));
    slot.store(&counter, std::memory_order_release);
    return counter;
  }

 private:
  Family<Counter>& family_;
  LabelMaker labels_;
  std::array<std::array<std::atomic<Counter*>, kColumns>, kRows> counters_{};
};

Labels MethodLabel(size_t method) { return {{"method", String(kMethodNames[method])}}; }

Labels MethodAndCode(size_t method, size_t code) {
  return {{"method", String(kMethodNames[method])}, {"code", String(kCodeNames[code])}};
}

Labels ReasonAndStage(size_t reason, size_t stage) {
  return {{"reason", String(kCodeNames[reason])}, {"stage", String(kStageNames[stage])}};
}

Labels RefusalAndClass(size_t refusal, size_t service_class) {
  return {{"reason", String(kRefusalNames[refusal])}, {"class", String(kClassNames[service_class])}};
}

// What the scheduler knows at the moment of the scrape.
class SchedulerCollector final : public prometheus::Collectable {
 public:
  void Set(std::function<SchedulerStats()> stats) {
    std::lock_guard lock(mutex_);
    stats_ = std::move(stats);
  }

  std::vector<MetricFamily> Collect() const override {
    SchedulerStats now;
    {
      std::lock_guard lock(mutex_);
      if (!stats_) return {};
      now = stats_();
    }
    MetricFamily items{"attendant_queue_items", "Items that wait in the queue, by class.", MetricType::Gauge, {}};
    MetricFamily tokens{"attendant_queue_tokens", "Tokens that wait in the queue, by class.", MetricType::Gauge, {}};
    for (size_t i = 0; i < kClassNames.size(); ++i) {
      items.metric.push_back(ClassGauge(i, now.classes[i].queued_items));
      tokens.metric.push_back(ClassGauge(i, now.classes[i].queued_tokens));
    }
    return {items, tokens,
            GaugeFamily("attendant_running_items", "Items that a worker has taken and not yet answered.",
                        now.running_items),
            GaugeFamily("attendant_idle_workers", "Workers that wait for work.", now.idle_workers),
            GaugeFamily("attendant_shedding_stage",
                        "0: all is accepted; 1: no bulk calls; 2: no new streams, either; 3: nothing.",
                        static_cast<int64_t>(now.shedding))};
  }

 private:
  static MetricFamily GaugeFamily(const char* name, const char* help, int64_t value) {
    prometheus::ClientMetric metric;
    metric.gauge.value = static_cast<double>(value);
    return {name, help, MetricType::Gauge, {metric}};
  }

  static prometheus::ClientMetric ClassGauge(size_t service_class, int64_t value) {
    prometheus::ClientMetric metric;
    metric.label = {{"class", String(kClassNames[service_class])}};
    metric.gauge.value = static_cast<double>(value);
    return metric;
  }

  mutable std::mutex mutex_;
  std::function<SchedulerStats()> stats_;
};

}  // namespace

std::string_view RpcMethodName(RpcMethod method) { return kMethodNames[MethodIndex(method)]; }

bool IsRequestStream(RpcMethod method) {
  switch (method) {
    case RpcMethod::kEmbedStream:
    case RpcMethod::kTeiEmbedStream:
    case RpcMethod::kTeiEmbedAllStream:
    case RpcMethod::kTeiTokenizeStream:
    case RpcMethod::kTeiDecodeStream:
    case RpcMethod::kInferenceModelStreamInfer:
      return true;
    default:
      return false;
  }
}

std::string_view StatusCodeName(absl::StatusCode code) { return kCodeNames[CodeIndex(code)]; }

class Metrics::Impl {
 public:
  explicit Impl(std::string_view version);

  Family<Counter>& CounterFamily(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
  }
  Family<Gauge>& GaugeFamily(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(*registry);
  }
  Histogram& NewHistogram(const char* name, const char* help, const Histogram::BucketBoundaries& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry).Add({}, buckets);
  }

  // First: the families below live in it.
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::shared_ptr<SchedulerCollector> scheduler = std::make_shared<SchedulerCollector>();
  std::shared_ptr<SecurityMetrics> security = std::make_shared<SecurityMetrics>();
  std::shared_ptr<ModelCollector> models = std::make_shared<ModelCollector>();
  std::shared_ptr<SharingMetrics> sharing = std::make_shared<SharingMetrics>();
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables{
      registry, scheduler, security, models, sharing, std::make_shared<ProcessMetrics>()};

  CounterTable<kNumRpcMethods, kCodeNames.size()> requests{
      CounterFamily("attendant_requests_total",
                    "Requests by method and status code; on streams of requests each message counts."),
      &MethodAndCode};
  CounterTable<kNumRpcMethods, kCodeNames.size()> items{
      CounterFamily("attendant_items_total", "Items by method and their own status code."), &MethodAndCode};
  CounterTable<kCodeNames.size(), kStageNames.size()> dropped{
      CounterFamily("attendant_dropped_items_total",
                    "Items that nobody waited for any more, by reason and where they were dropped."),
      &ReasonAndStage};
  CounterTable<kNumRefusals, kNumServiceClasses> refused{
      CounterFamily("attendant_refused_calls_total", "Calls that were not admitted to the queue, by reason and class."),
      &RefusalAndClass};
  Counter& saved_seconds = CounterFamily("attendant_saved_compute_seconds_total",
                                         "Predicted time of computing for callers that had gone, not spent.")
                               .Add({});
  Histogram& prediction =
      NewHistogram("attendant_prediction_ratio",
                   "Predicted over actual time of batches that one worker computed alone.", kRatioBuckets);
  Histogram& tokenize =
      NewHistogram("attendant_tokenize_seconds", "Time to tokenise a request's items.", kSecondsBuckets);
  Histogram& queue =
      NewHistogram("attendant_queue_seconds", "Longest wait in the queue of a request's items.", kSecondsBuckets);
  Histogram& compute = NewHistogram("attendant_compute_seconds",
                                    "Longest computation of a batch that a request took part in.", kSecondsBuckets);
  Histogram& batch_items = NewHistogram("attendant_batch_items", "Items per batch.", kItemsBuckets);
  Histogram& batch_tokens = NewHistogram("attendant_batch_tokens", "Tokens per batch.", kTokensBuckets);
  Counter& tokens = CounterFamily("attendant_tokens_total", "Tokens computed, special tokens included.").Add({});
  Counter& busy_seconds =
      CounterFamily("attendant_worker_busy_seconds_total", "Time that workers spent computing, summed over workers.")
          .Add({});
  Gauge& workers = GaugeFamily("attendant_workers", "Worker threads.").Add({});
  Gauge& ready = GaugeFamily("attendant_ready", "1 while health says SERVING, else 0.").Add({});
  std::array<Histogram*, kNumRpcMethods> request_seconds;
  std::array<Gauge*, kNumRpcMethods> in_flight;
  std::array<Gauge*, kNumRpcMethods> open_streams{};  // of streaming methods only
};

Metrics::Impl::Impl(std::string_view version) {
  auto& seconds = prometheus::BuildHistogram()
                      .Name("attendant_request_seconds")
                      .Help("Time from a request's arrival to its answer, by method.")
                      .Register(*registry);
  auto& flight = GaugeFamily("attendant_requests_in_flight", "Requests that have arrived and are not yet answered.");
  auto& streams = GaugeFamily("attendant_open_streams", "Streams that are open at the moment.");
  for (size_t method = 0; method < kNumRpcMethods; ++method) {
    request_seconds[method] = &seconds.Add(MethodLabel(method), kSecondsBuckets);
    in_flight[method] = &flight.Add(MethodLabel(method));
    // There from the start, so that a rate over the first request is not lost.
    requests.At(method, CodeIndex(absl::StatusCode::kOk));
  }
  for (size_t method = 0; method < kNumRpcMethods; ++method) {
    const auto rpc = static_cast<RpcMethod>(method);
    if (IsRequestStream(rpc) || rpc == RpcMethod::kGetAttention)
      open_streams[method] = &streams.Add(MethodLabel(method));
  }
  for (const auto code : {absl::StatusCode::kCancelled, absl::StatusCode::kDeadlineExceeded}) {
    for (size_t stage = 0; stage < kStageNames.size(); ++stage) dropped.At(CodeIndex(code), stage);
  }
  for (size_t reason = static_cast<size_t>(Refusal::kNone) + 1; reason < kNumRefusals; ++reason) {
    for (size_t each = 0; each < kNumServiceClasses; ++each) refused.At(reason, each);
  }
  // Sequences are packed end to end, so nothing ever adds to it; it is here to be alerted on.
  CounterFamily("attendant_padding_tokens_total", "Pad tokens computed: none, by construction.").Add({});
  GaugeFamily("attendant_build_info", "1 for this build.").Add({{"version", LabelText(version)}}).Set(1);
}

Metrics::Metrics(std::string_view version) : impl_(std::make_unique<Impl>(version)) {}
Metrics::~Metrics() = default;

void Metrics::SetWorkers(int num_workers) { impl_->workers.Set(num_workers); }

void Metrics::SetReady(bool ready) { impl_->ready.Set(ready ? 1 : 0); }

void Metrics::SetSchedulerStats(std::function<SchedulerStats()> stats) { impl_->scheduler->Set(std::move(stats)); }

void Metrics::SetSecurityStats(std::function<SecurityStats()> stats) { impl_->security->Set(std::move(stats)); }
void Metrics::SetSharingStats(std::function<SharingStats()> stats) { impl_->sharing->Set(std::move(stats)); }
void Metrics::SetModels(std::function<std::vector<ModelSample>()> models) { impl_->models->Set(std::move(models)); }

void Metrics::RequestStarted(RpcMethod method) { impl_->in_flight[MethodIndex(method)]->Increment(); }

void Metrics::RequestFinished(const RequestRecord& record) {
  const size_t method = MethodIndex(record.method);
  impl_->in_flight[method]->Decrement();
  impl_->requests.Add(method, CodeIndex(record.code), 1);
  impl_->request_seconds[method]->Observe(Seconds(record.total));
  if (record.tokenize) impl_->tokenize.Observe(Seconds(*record.tokenize));
  if (record.queue) impl_->queue.Observe(Seconds(*record.queue));
  if (record.compute) impl_->compute.Observe(Seconds(*record.compute));
}

void Metrics::ItemsFinished(RpcMethod method, absl::StatusCode code, int64_t items) {
  if (items > 0) impl_->items.Add(MethodIndex(method), CodeIndex(code), static_cast<double>(items));
}

void Metrics::StreamOpened(RpcMethod method) {
  if (Gauge* gauge = impl_->open_streams[MethodIndex(method)]) gauge->Increment();
}

void Metrics::StreamClosed(RpcMethod method) {
  if (Gauge* gauge = impl_->open_streams[MethodIndex(method)]) gauge->Decrement();
}

void Metrics::OnBatch(const BatchReport& batch) {
  impl_->batch_items.Observe(batch.items);
  impl_->batch_tokens.Observe(batch.tokens);
  impl_->tokens.Increment(batch.tokens);
  impl_->busy_seconds.Increment(Seconds(batch.compute));
  const auto actual_us = static_cast<double>(batch.compute.count());
  if (batch.predicted_us > 0 && actual_us > 0) impl_->prediction.Observe(batch.predicted_us / actual_us);
}

void Metrics::OnDropped(const DropReport& drop) {
  impl_->dropped.Add(CodeIndex(drop.reason), drop.stage == DropStage::kQueue ? 0 : 1, drop.items);
  impl_->saved_seconds.Increment(drop.saved_us / 1e6);
}

void Metrics::OnRefused(Refusal reason, ServiceClass service_class) {
  impl_->refused.Add(static_cast<size_t>(reason), static_cast<size_t>(service_class), 1);
}

std::string Metrics::Render() const {
  std::vector<MetricFamily> families;
  for (const auto& collectable : impl_->collectables) {
    for (MetricFamily& family : collectable->Collect()) families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace attendant
