// The server's Prometheus metrics: one method per event, one place that knows names, labels and buckets.
//
// It is not: a web server (http/metrics_listener.h serves it), nor a log. docs/operations.md says what each family
// means. Thread-safety: every method may be called from any thread; none takes the registry's lock, so a scrape never
// holds up a request. Labels come from fixed sets (methods, status codes), so no caller can make the number of series
// grow.
#ifndef ATTENDANT_SERVER_OBSERVABILITY_METRICS_H_
#define ATTENDANT_SERVER_OBSERVABILITY_METRICS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/scheduling/scheduler.h"

namespace attendant {

struct SecurityStats;
struct SharingStats;

enum class RpcMethod {
  kEmbed,
  kEmbedStream,
  kGetAttention,
  kTokenize,
  kRank,
  kSimilarity,
  kListModels,
  kGetModel,
  // Of the admin listener.
  kLoadModel,
  kSwapModel,
  kUnloadModel,
  kReloadConfig,
  kListLoadedModels,
  // Of tei.v1.
  kTeiInfo,
  kTeiEmbed,
  kTeiEmbedStream,
  kTeiEmbedAll,
  kTeiEmbedAllStream,
  kTeiTokenize,
  kTeiTokenizeStream,
  kTeiDecode,
  kTeiDecodeStream,
  kTeiNotOffered,  // all those that answer UNIMPLEMENTED
  // Of inference.GRPCInferenceService.
  kInferenceServerLive,
  kInferenceServerReady,
  kInferenceModelReady,
  kInferenceServerMetadata,
  kInferenceModelMetadata,
  kInferenceModelConfig,
  kInferenceModelStatistics,
  kInferenceModelInfer,
  kInferenceModelStreamInfer,
  kInferenceRepositoryIndex,
  kInferenceNotOffered,
  // Of the HTTP port.
  kHttpEmbed,
  kHttpTokenize,
  kHttpRank,
  kHttpSimilarity,
  kHttpGetAttention,
  kHttpListModels,
  kHttpGetModel,
  kHttpMetrics,
  kOpenAiEmbeddings,
  kOpenAiListModels,
  kOpenAiGetModel,
  kTeiHttpEmbed,
  kTeiHttpEmbedAll,
  kTeiHttpTokenize,
  kTeiHttpDecode,
  kTeiHttpInfo,
  kTeiHttpNotOffered,
  kCohereEmbed,
};
inline constexpr int kNumRpcMethods = 52;

// The label and log value: "Embed", "EmbedStream", ..., of the foreign protocols "tei.Embed", "inference.ModelInfer",
// "openai.Embeddings"; those of HTTP whose names gRPC has, too, begin with "http.".
std::string_view RpcMethodName(RpcMethod method);
// A stream of requests: each of its messages counts as one, and is bulk work unless it says otherwise.
bool IsRequestStream(RpcMethod method);
// As gRPC writes it: "OK", "RESOURCE_EXHAUSTED", ...; codes outside the canonical 17 are "UNKNOWN".
std::string_view StatusCodeName(absl::StatusCode code);

// How one request ended. On EmbedStream every message is a request. A stage that the request never reached is unset;
// with several items a stage's time is that of its slowest item.
struct RequestRecord {
  RpcMethod method = RpcMethod::kEmbed;
  absl::StatusCode code = absl::StatusCode::kOk;
  Microseconds total{0};
  std::optional<Microseconds> tokenize;
  std::optional<Microseconds> queue;
  std::optional<Microseconds> compute;
};

// One model at the moment of a scrape. Names are the operator's, so their number is bounded by what he has configured.
struct ModelSample {
  std::string name;
  std::string state;  // "READY", ...
  // Below: unset of a model that is not in memory.
  std::string fingerprint;
  std::string precision;
  std::string kernels;
  int64_t memory_bytes = 0;
  int64_t batches = 0;
  int64_t items = 0;
  int64_t tokens = 0;
  Microseconds compute{0};
};

// The scheduler's observer, too: pass it to the Scheduler, which it must outlive.
class Metrics final : public SchedulerObserver {
 public:
  explicit Metrics(std::string_view version);
  ~Metrics() override;

  // At start, once.
  void SetWorkers(int num_workers);
  // Whether health says SERVING.
  void SetReady(bool ready);
  // Called on every scrape, on the scraper's thread. The caller sets it to nullptr before what it reads goes away;
  // when that returns, no call is under way.
  void SetSchedulerStats(std::function<SchedulerStats()> stats);
  // The same for API keys and certificates.
  void SetSecurityStats(std::function<SecurityStats()> stats);
  void SetModels(std::function<std::vector<ModelSample>()> models);  // the same rules
  void SetSharingStats(std::function<SharingStats()> stats);         // the same rules

  // Every RequestStarted is followed by one RequestFinished with the same method.
  void RequestStarted(RpcMethod method);
  void RequestFinished(const RequestRecord& record);
  // Items of a request by their own outcome.
  void ItemsFinished(RpcMethod method, absl::StatusCode code, int64_t items);
  // An EmbedStream or GetAttention stream that is open at the moment.
  void StreamOpened(RpcMethod method);
  void StreamClosed(RpcMethod method);

  void OnBatch(const BatchReport& batch) override;
  void OnDropped(const DropReport& drop) override;
  void OnRefused(Refusal reason, ServiceClass service_class) override;

  // What a scrape answers, in the text format.
  std::string Render() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_OBSERVABILITY_METRICS_H_
