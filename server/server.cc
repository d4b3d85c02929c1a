#include "server/server.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/embedder.h"
#include "server/grpc_endpoint.h"
#include "server/http/metrics_listener.h"
#include "server/network/listen_address.h"
#include "server/observability/logging.h"
#include "server/observability/metrics.h"
#include "server/port_file.h"
#include "server/rpc/embedding_service.h"
#include "server/rpc/work_pool.h"
#include "server/scheduling/thread_budget.h"
#include "server/server_security.h"

namespace attendant {
namespace {

// Tokenising takes some 2 % of the time that computing takes, so a few threads serve many workers; two at least, so
// that one large text does not hold up all others.
int PoolThreads(int workers) { return std::clamp(workers / 8, 2, 8); }

ThreadBudget ChooseThreads(int configured) {
  if (configured == 0) return ComputeThreadBudget();
  return {configured, "as configured (--threads)"};
}

EmbedderOptions ToEmbedderOptions(const ServerConfig& config, int threads) {
  return {.model_dir = config.model_dir,
          .precision = config.precision,
          .precision_gate = config.precision_gate,
          .isa = config.isa,
          .engine = config.engine,
          .load_threads = threads,
          .max_batch_tokens = config.scheduler.max_batch_tokens};
}

GrpcEndpointOptions ToEndpointOptions(const ServerConfig& config, const ServerSecurity& security) {
  return {.address = config.grpc_address,
          .max_message_bytes = config.limits.max_message_bytes,
          // One message that is larger than allowed must fit, or gRPC could never even refuse it.
          .memory_bytes = config.limits.max_pending_bytes + 2 * config.limits.max_message_bytes,
          .max_concurrent_streams = config.max_concurrent_streams,
          .max_connection_age = config.max_connection_age,
          .max_connection_age_grace = config.max_connection_age_grace,
          .tls = security.tls(),
          .reflection = security.reflection()};
}

int64_t Milliseconds(SteadyTime::duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

}  // namespace

// Members are declared in the order of dependence: what is below uses what is above and goes first.
class Server::Impl {
 public:
  explicit Impl(const ServerConfig& config)
      : config_(config),
        threads_(ChooseThreads(config.threads)),
        metrics_(ATTENDANT_VERSION),
        budget_(config.limits.max_pending_bytes) {}

  ~Impl() {
    if (endpoint_ != nullptr) endpoint_->Shutdown(std::chrono::steady_clock::now());
    metrics_.SetSchedulerStats(nullptr);
    metrics_.SetSecurityStats(nullptr);
  }

  absl::Status LoadModel() {
    auto embedder = Embedder::Load(ToEmbedderOptions(config_, threads_.threads));
    if (!embedder.ok()) return embedder.status();
    embedder_ = *std::move(embedder);
    parts_.model = std::make_unique<EmbedderModel>(embedder_.get(), config_.model_name);
    parts_.runner = std::make_unique<EmbedderRunner>(embedder_.get());
    return absl::OkStatus();
  }

  absl::Status Start(ServerParts parts) {
    if (absl::Status status = CheckConfig(config_); !status.ok()) return status;
    // GrpcEndpoint asks again; here a taken address is known before a large model is loaded.
    if (absl::Status status = CheckCanListen(config_.grpc_address); !status.ok()) return status;
    auto security = ServerSecurity::Load(config_.security);
    if (!security.ok()) return security.status();
    security_ = *std::move(security);
    parts_ = std::move(parts);
    if (parts_.model == nullptr) {
      if (absl::Status status = LoadModel(); !status.ok()) return status;
    }
    const ModelInfo& info = parts_.model->info();
    runtime_ = std::make_shared<ModelRuntime>(std::move(parts_.runner), threads_.threads, info.num_layers);
    if (embedder_ != nullptr) runtime_->Calibrate(info.max_tokens, config_.scheduler.clock);
    StartServices();
    auto endpoint = GrpcEndpoint::Start(ToEndpointOptions(config_, *security_),
                                        {{service_->grpc_service(), EmbeddingService::full_name()}});
    if (!endpoint.ok()) return endpoint.status();
    endpoint_ = *std::move(endpoint);
    if (absl::Status status = StartMetrics(); !status.ok()) return status;
    SetServing(true);
    security_->WarnOfExposure(config_.grpc_address, config_.metrics_address);
    LogStart();
    return config_.port_file.empty() ? absl::OkStatus() : WritePortFile(config_.port_file, grpc_port(), metrics_port());
  }

  int grpc_port() const { return endpoint_->port(); }
  int metrics_port() const { return metrics_listener_ == nullptr ? 0 : metrics_listener_->port(); }

  void ReloadSecurity() { security_->Reload(); }

  void Drain() {
    const SchedulerStats stats = scheduler_->stats();
    LogInfo("draining", {{"delay_ms", config_.drain_delay.count()},
                         {"timeout_ms", config_.drain_timeout.count()},
                         {"queued_items", stats.queued_items()},
                         {"running_items", stats.running_items}});
    SetServing(false);
    std::this_thread::sleep_for(config_.drain_delay);
    const SteadyTime start = std::chrono::steady_clock::now();
    // The scheduler goes on: what gRPC has accepted is finished.
    service_->DrainStreams();
    endpoint_->Shutdown(start + config_.drain_timeout);
    scheduler_->Shutdown();
    LogInfo("stopped", {{"drain_ms", Milliseconds(std::chrono::steady_clock::now() - start)}});
  }

 private:
  void StartServices() {
    metrics_.SetModel(parts_.model->info());
    metrics_.SetWorkers(threads_.threads);
    SchedulerOptions options = config_.scheduler;
    options.num_workers = threads_.threads;
    scheduler_ = std::make_unique<Scheduler>(options, &metrics_);
    metrics_.SetSchedulerStats([scheduler = scheduler_.get()] { return scheduler->stats(); });
    pool_ = std::make_unique<WorkPool>(PoolThreads(threads_.threads));
    core_ = {.model = parts_.model.get(),
             .runtime = runtime_,
             .scheduler = scheduler_.get(),
             .pool = pool_.get(),
             .budget = &budget_,
             .metrics = &metrics_,
             .keys = security_->keys(),
             .limits = config_.limits,
             .access_log = config_.access_log};
    service_ = std::make_unique<EmbeddingService>(core_);
  }

  absl::Status StartMetrics() {
    metrics_.SetSecurityStats([security = security_.get()] { return security->Stats(); });
    if (config_.metrics_address.empty()) return absl::OkStatus();
    auto listener = MetricsListener::Start({.address = config_.metrics_address,
                                            .metrics = &metrics_,
                                            .ready = [this] { return serving_.load(); },
                                            .tls = security_->metrics_tls(),
                                            .keys = security_->metrics_keys()});
    if (!listener.ok()) return listener.status();
    metrics_listener_ = *std::move(listener);
    return absl::OkStatus();
  }

  void SetServing(bool serving) {
    serving_ = serving;
    endpoint_->SetServing(serving);
  }

  void LogStart() const {
    const ModelInfo& model = parts_.model->info();
    const RequestLimits& limits = config_.limits;
    const SchedulerOptions& queue = config_.scheduler;
    LogInfo("model loaded", {{"model", model.name},
                             {"architecture", model.architecture},
                             {"dimension", model.dimension},
                             {"max_tokens", model.max_tokens},
                             {"weights_bytes", model.weights_bytes},
                             {"fingerprint", model.fingerprint}});
    LogInfo("computing with", {{"precision", model.precision},
                               {"precision_reason", model.precision_reason},
                               {"kernels", model.kernels},
                               {"kernels_reason", model.kernels_reason},
                               {"threads", threads_.threads},
                               {"threads_reason", threads_.explanation}});
    const CostModel& cost = runtime_->cost();
    LogInfo("cost model", {{"batch_us", cost.batch_us},
                           {"token_us", cost.token_us},
                           {"square_us", cost.square_us},
                           {"min_share_tokens", cost.min_share_tokens}});
    LogInfo("limits", {{"max_items_per_request", limits.max_items_per_request},
                       {"max_text_bytes", limits.max_text_bytes},
                       {"max_message_bytes", limits.max_message_bytes},
                       {"max_attention_bytes", limits.max_attention_bytes},
                       {"max_pending_bytes", limits.max_pending_bytes},
                       {"max_in_flight_per_stream", limits.max_in_flight_per_stream},
                       {"max_batch_tokens", queue.max_batch_tokens},
                       {"max_queued_tokens", queue.max_queued_tokens},
                       {"max_queued_items", queue.max_queued_items}});
    LogInfo("server started", {{"version", ATTENDANT_VERSION},
                               {"grpc_address", config_.grpc_address},
                               {"grpc_port", grpc_port()},
                               {"metrics_address", config_.metrics_address},
                               {"metrics_port", metrics_port()},
                               {"startup_ms", Milliseconds(std::chrono::steady_clock::now() - created_)}});
  }

  const SteadyTime created_ = std::chrono::steady_clock::now();
  const ServerConfig config_;
  const ThreadBudget threads_;
  Metrics metrics_;
  ByteBudget budget_;
  std::unique_ptr<ServerSecurity> security_;
  std::atomic<bool> serving_{false};
  std::unique_ptr<Embedder> embedder_;
  ServerParts parts_;
  std::shared_ptr<ModelRuntime> runtime_;
  ServiceCore core_;
  std::unique_ptr<EmbeddingService> service_;
  // Callbacks of its last work may use everything above.
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<WorkPool> pool_;
  std::unique_ptr<GrpcEndpoint> endpoint_;
  std::unique_ptr<MetricsListener> metrics_listener_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerConfig& config) { return Start(config, {}); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerConfig& config, ServerParts parts) {
  auto impl = std::make_unique<Impl>(config);
  if (absl::Status status = impl->Start(std::move(parts)); !status.ok()) return status;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

int Server::grpc_port() const { return impl_->grpc_port(); }
int Server::metrics_port() const { return impl_->metrics_port(); }
void Server::ReloadSecurity() { impl_->ReloadSecurity(); }
void Server::Drain() { impl_->Drain(); }

}  // namespace attendant
