#include "server/server.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/grpc_endpoint.h"
#include "server/http/api/http_api.h"
#include "server/http/metrics_listener.h"
#include "server/models/model_manager.h"
#include "server/models/self_check.h"
#include "server/network/listen_address.h"
#include "server/observability/logging.h"
#include "server/observability/metrics.h"
#include "server/port_file.h"
#include "server/readiness.h"
#include "server/rpc/admin_service.h"
#include "server/rpc/embedding_service.h"
#include "server/rpc/inference/inference_service.h"
#include "server/rpc/tei/tei_services.h"
#include "server/rpc/work_pool.h"
#include "server/scheduling/thread_budget.h"
#include "server/self_check_command.h"
#include "server/server_security.h"
#include "server/watchdog.h"

namespace attendant {
namespace {

// Tokenising takes some 2 % of the time that computing takes, so a few threads serve many workers; two at least, so
// that one large text does not hold up all others.
int PoolThreads(int workers) { return std::clamp(workers / 8, 2, 8); }

// Of the admin listener: a change that is under way, and answers to those who ask meanwhile; names and directories.
constexpr int kAdminThreads = 2;
constexpr int64_t kAdminMessageBytes = 64 << 10;
constexpr int64_t kAdminMemoryBytes = 8 << 20;
constexpr int32_t kAdminConcurrentCalls = 16;

ThreadBudget ChooseThreads(int configured) {
  if (configured == 0) return ComputeThreadBudget();
  return {configured, "as configured (--threads)"};
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

ModelManagerOptions ToManagerOptions(const ServerConfig& config, int threads) {
  // While others serve, packing weights must leave them most of the machine.
  return {.memory = FindMemoryLimit(config.models.memory_limit),
          .used_bytes = {},
          .load_threads = std::max(1, threads / 4)};
}

std::vector<ModelSample> SampleModels(const ModelRegistry& registry) {
  std::vector<ModelSample> samples;
  for (const ModelStatus& status : registry.List()) {
    ModelSample sample{.name = status.name, .state = std::string(ModelStateName(status.state))};
    if (status.model != nullptr) {
      const ModelInfo& info = status.model->info();
      const ModelUse use = status.model->runtime->use();
      sample.fingerprint = info.fingerprint;
      sample.precision = info.precision;
      sample.kernels = info.kernels;
      sample.memory_bytes = status.model->memory_bytes;
      sample.batches = use.batches;
      sample.items = use.items;
      sample.tokens = use.tokens;
      sample.compute = use.compute;
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

// What the largest batch of any model should take on one thread.
Microseconds LargestBatch(const ModelRegistry& registry, int32_t max_batch_tokens) {
  double longest_us = 0;
  for (const ModelStatus& status : registry.List()) {
    if (status.model == nullptr) continue;
    const CostModel& cost = status.model->runtime->cost();
    const int32_t tokens = std::max(max_batch_tokens, status.model->info().max_tokens);
    longest_us = std::max(longest_us, cost.batch_us + cost.SequenceUs(tokens));
  }
  return Microseconds(static_cast<int64_t>(longest_us));
}

HttpServerOptions ToHttpOptions(const ServerConfig& config, const ServerSecurity& security) {
  const HttpSettings& http = config.http;
  HttpServerOptions options;
  options.address = http.address;
  options.tls = security.tls();
  options.max_connections = static_cast<size_t>(http.max_connections);
  options.request_timeout = http.header_timeout;
  options.body_timeout = http.body_timeout;
  options.idle_timeout = http.idle_timeout;
  if (config.limits.write_timeout.count() > 0) options.write_timeout = config.limits.write_timeout;
  options.compress = http.gzip;
  options.cors_origins = http.cors_origins;
  return options;
}

int64_t Milliseconds(SteadyTime::duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

}  // namespace

// Members are declared in the order of dependence: what is below uses what is above and goes first.
class Server::Impl {
 public:
  Impl(const ServerConfig& config, ServerParts parts)
      : config_(config),
        parts_(std::move(parts)),
        threads_(ChooseThreads(config.threads)),
        metrics_(ATTENDANT_VERSION),
        budget_(config.limits.max_pending_bytes),
        sharing_(config.sharing),
        loader_(ToLoaderOptions(config, threads_.threads)),
        manager_(&loader_, &registry_, ToManagerOptions(config, threads_.threads)),
        readiness_([this](bool ready) {
          endpoint_->SetServing(ready);
          metrics_.SetReady(ready);
        }) {}

  ~Impl() {
    watchdog_.reset();
    admin_.reset();
    http_.reset();
    if (endpoint_ != nullptr) endpoint_->Shutdown(std::chrono::steady_clock::now());
    metrics_.SetSchedulerStats(nullptr);
    metrics_.SetSecurityStats(nullptr);
    metrics_.SetModels(nullptr);
    metrics_.SetSharingStats(nullptr);
  }

  absl::Status Start() {
    if (absl::Status status = CheckConfig(config_); !status.ok()) return status;
    // The endpoints ask again; here a taken address is known before a large model is loaded.
    if (absl::Status status = CheckCanListen(config_.grpc_address); !status.ok()) return status;
    if (absl::Status status = CheckHttpAddress(); !status.ok()) return status;
    if (absl::Status status = CheckAdminAddress(); !status.ok()) return status;
    auto security = ServerSecurity::Load(config_.security);
    if (!security.ok()) return security.status();
    security_ = *std::move(security);
    if (absl::Status status = LoadModels(); !status.ok()) return status;
    StartServices();
    auto endpoint = GrpcEndpoint::Start(ToEndpointOptions(config_, *security_), Services());
    if (!endpoint.ok()) return endpoint.status();
    endpoint_ = *std::move(endpoint);
    if (absl::Status status = StartHttp(); !status.ok()) return status;
    if (absl::Status status = StartMetrics(); !status.ok()) return status;
    if (absl::Status status = StartAdmin(); !status.ok()) return status;
    StartWatchdog();
    readiness_.Withdraw(NotReady::kStarting);
    security_->WarnOfExposure({.grpc = config_.grpc_address,
                               .http = config_.http.address,
                               .metrics = config_.metrics_address,
                               .admin = config_.models.admin_address});
    LogStart();
    if (config_.port_file.empty()) return absl::OkStatus();
    return WritePortFile(config_.port_file, {grpc_port(), http_port(), metrics_port(), admin_port()});
  }

  void ReloadSecurity() { security_->Reload(); }

  absl::StatusOr<std::vector<std::string>> Reload() {
    security_->Reload();
    absl::StatusOr<ServerConfig> fresh = parts_.reread ? parts_.reread() : config_;
    std::vector<std::string> changes;
    absl::Status status = fresh.status();
    if (status.ok()) status = manager_.Apply(fresh->models.specs, &changes);
    LogInfo("configuration read again", {{"changes", changes.empty() ? "none" : absl::StrJoin(changes, ", ")},
                                         {"failures", std::string(status.message())}});
    if (!status.ok()) return status;
    return changes;
  }

  int grpc_port() const { return endpoint_->port(); }
  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }
  std::vector<std::string> http_routes() const {
    return http_ == nullptr ? std::vector<std::string>() : http_->routes();
  }
  int metrics_port() const { return metrics_listener_ == nullptr ? 0 : metrics_listener_->port(); }
  int admin_port() const { return admin_ == nullptr ? 0 : admin_->port(); }

  void Drain() {
    const SchedulerStats stats = scheduler_->stats();
    LogInfo("draining", {{"delay_ms", config_.drain_delay.count()},
                         {"timeout_ms", config_.drain_timeout.count()},
                         {"queued_items", stats.queued_items()},
                         {"running_items", stats.running_items}});
    readiness_.Object(NotReady::kDraining);
    std::this_thread::sleep_for(config_.drain_delay);
    const SteadyTime start = std::chrono::steady_clock::now();
    // The scheduler goes on: what gRPC has accepted is finished.
    service_->DrainStreams();
    tei_->DrainStreams();
    inference_->DrainStreams();
    if (http_ != nullptr) http_->BeginDrain();
    endpoint_->Shutdown(start + config_.drain_timeout);
    if (http_ != nullptr) {
      http_->AwaitDrain(start + config_.drain_timeout);
      http_->Stop();
    }
    scheduler_->Shutdown();
    LogInfo("stopped", {{"drain_ms", Milliseconds(std::chrono::steady_clock::now() - start)}});
  }

 private:
  absl::Status LoadModels() {
    if (parts_.model == nullptr) return manager_.LoadAll(config_.models.specs, threads_.threads);
    auto model = std::make_shared<LoadedModel>();
    const ModelInfo& info = parts_.model->info();
    model->spec.name = info.name;
    model->loaded_at = std::chrono::system_clock::now();
    model->runtime = std::make_unique<ModelRuntime>(std::move(parts_.runner), threads_.threads, info.num_layers);
    model->served = std::move(parts_.model);
    registry_.Publish(std::move(model));
    return absl::OkStatus();
  }

  absl::Status CheckHttpAddress() const {
    return config_.http.address.empty() ? absl::OkStatus() : CheckCanListen(config_.http.address);
  }

  absl::Status StartHttp() {
    if (config_.http.address.empty()) return absl::OkStatus();
    const int64_t max_body_bytes = config_.http.max_body_bytes;
    auto http =
        HttpApi::Start({.server = ToHttpOptions(config_, *security_),
                        .max_body_bytes = max_body_bytes == 0 ? config_.limits.max_message_bytes : max_body_bytes,
                        .core = core_,
                        .facts = tei_facts_,
                        .ready = [this] { return readiness_.ready(); }});
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
    return absl::OkStatus();
  }

  absl::Status CheckAdminAddress() const {
    const std::string& address = config_.models.admin_address;
    if (address.empty()) return absl::OkStatus();
    if (!IsThisMachineOnly(address) && config_.security.api_keys_file.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--admin-address ", address, " can be reached from other machines, and whoever reaches it may ",
                       "change the models: use a loopback or unix: address, or keys (--api-keys-file)"));
    }
    return CheckCanListen(address);
  }

  absl::Status StartAdmin() {
    const std::string& address = config_.models.admin_address;
    if (address.empty()) return absl::OkStatus();
    admin_pool_ = std::make_unique<WorkPool>(kAdminThreads);
    admin_core_ = core_;
    admin_core_.pool = admin_pool_.get();
    admin_core_.budget = &admin_budget_;
    admin_core_.right = Right::kAdmin;
    admin_core_.limits.max_message_bytes = kAdminMessageBytes;
    admin_service_ =
        std::make_unique<AdminService>(admin_core_, AdminActions{&manager_, &registry_, [this] { return Reload(); }});
    GrpcEndpointOptions options = ToEndpointOptions(config_, *security_);
    options.address = address;
    options.max_message_bytes = kAdminMessageBytes;
    options.memory_bytes = kAdminMemoryBytes;
    options.max_concurrent_streams = kAdminConcurrentCalls;
    auto admin = GrpcEndpoint::Start(options, {{admin_service_->grpc_service(), AdminService::full_name()}});
    if (!admin.ok()) return admin.status();
    admin_ = *std::move(admin);
    admin_->SetServing(true);
    return absl::OkStatus();
  }

  void StartWatchdog() {
    const std::chrono::milliseconds timeout = config_.models.watchdog_timeout;
    if (timeout.count() == 0) return;
    WatchdogOptions options;
    options.interval = std::clamp(timeout / 8, std::chrono::milliseconds(1), std::chrono::milliseconds(1000));
    options.observe = [this, timeout]() -> StuckDetector::Observation {
      constexpr int kSlack = 10;  // other processes, sharing caches, a cost that was measured on a quiet machine
      const SchedulerStats stats = scheduler_->stats();
      return {.batches = stats.batches,
              .has_work = stats.queued_items() > 0 || stats.running_items > 0,
              .timeout = std::max<Microseconds>(timeout,
                                                kSlack * LargestBatch(registry_, config_.scheduler.max_batch_tokens))};
    };
    options.probe = [this] {
      const ModelRef model = registry_.Find("");
      return model == nullptr ? absl::OkStatus() : ProbeModel(*model);
    };
    options.condition = [this] {
      for (const ModelStatus& model : registry_.List()) {
        if (model.model == nullptr || model.state != ModelState::kReady) continue;
        if (absl::Status status = model.model->served->Condition(); !status.ok()) return status;
      }
      return absl::OkStatus();
    };
    options.on_change = [this](bool unwell, const std::string& why) {
      Log(unwell ? LogLevel::kError : LogLevel::kInfo, unwell ? "stuck" : "no longer stuck", {{"reason", why}});
      unwell ? readiness_.Object(NotReady::kStuck) : readiness_.Withdraw(NotReady::kStuck);
    };
    watchdog_ = std::make_unique<Watchdog>(std::move(options));
  }

  void StartServices() {
    metrics_.SetModels([this] { return SampleModels(registry_); });
    metrics_.SetWorkers(threads_.threads);
    SchedulerOptions options = config_.scheduler;
    options.num_workers = threads_.threads;
    scheduler_ = std::make_unique<Scheduler>(options, &metrics_);
    metrics_.SetSchedulerStats([scheduler = scheduler_.get()] { return scheduler->stats(); });
    metrics_.SetSharingStats([this] { return sharing_.stats(); });
    pool_ = std::make_unique<WorkPool>(PoolThreads(threads_.threads));
    core_ = {.models = &registry_,
             .scheduler = scheduler_.get(),
             .sharing = &sharing_,
             .pool = pool_.get(),
             .budget = &budget_,
             .metrics = &metrics_,
             .keys = security_->keys(),
             .limits = config_.limits,
             .access_log = config_.access_log};
    service_ = std::make_unique<EmbeddingService>(core_);
    tei_facts_ = {.version = ATTENDANT_VERSION,
                  .max_queued_items = options.max_queued_items,
                  .max_batch_tokens = options.max_batch_tokens,
                  .tokenization_workers = PoolThreads(threads_.threads)};
    tei_ = std::make_unique<TeiServices>(core_, tei_facts_);
    inference_ = std::make_unique<InferenceService>(
        core_, InferenceFacts{.version = ATTENDANT_VERSION, .ready = [this] { return readiness_.ready(); }});
  }

  // Every door of the main listener.
  std::vector<EndpointService> Services() {
    std::vector<EndpointService> services = tei_->services();
    services.push_back({service_->grpc_service(), EmbeddingService::full_name()});
    services.push_back({inference_->grpc_service(), InferenceService::full_name()});
    return services;
  }

  absl::Status StartMetrics() {
    metrics_.SetSecurityStats([security = security_.get()] { return security->Stats(); });
    if (config_.metrics_address.empty()) return absl::OkStatus();
    auto listener = MetricsListener::Start({.address = config_.metrics_address,
                                            .metrics = &metrics_,
                                            .ready = [this] { return readiness_.ready(); },
                                            .tls = security_->metrics_tls(),
                                            .keys = security_->metrics_keys()});
    if (!listener.ok()) return listener.status();
    metrics_listener_ = *std::move(listener);
    return absl::OkStatus();
  }

  void LogStart() const {
    const RequestLimits& limits = config_.limits;
    const SchedulerOptions& queue = config_.scheduler;
    LogInfo("threads", {{"threads", threads_.threads}, {"threads_reason", threads_.explanation}});
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
                               {"http_address", config_.http.address},
                               {"http_port", http_port()},
                               {"metrics_address", config_.metrics_address},
                               {"metrics_port", metrics_port()},
                               {"admin_address", config_.models.admin_address},
                               {"admin_port", admin_port()},
                               {"models", registry_.List().size()},
                               {"startup_ms", Milliseconds(std::chrono::steady_clock::now() - created_)}});
  }

  const SteadyTime created_ = std::chrono::steady_clock::now();
  const ServerConfig config_;
  ServerParts parts_;
  const ThreadBudget threads_;
  Metrics metrics_;
  ByteBudget budget_;
  WorkSharing sharing_;
  std::unique_ptr<ServerSecurity> security_;
  const EmbedderLoader loader_;
  ModelRegistry registry_;
  ModelManager manager_;
  Readiness readiness_;
  ServiceCore core_;
  std::unique_ptr<EmbeddingService> service_;
  TeiFacts tei_facts_;
  std::unique_ptr<TeiServices> tei_;
  std::unique_ptr<InferenceService> inference_;
  // Callbacks of its last work may use everything above.
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<WorkPool> pool_;
  std::unique_ptr<GrpcEndpoint> endpoint_;
  std::unique_ptr<HttpApi> http_;
  std::unique_ptr<MetricsListener> metrics_listener_;
  // The admin service has its own core, budget and threads.
  ByteBudget admin_budget_{kAdminMemoryBytes};
  ServiceCore admin_core_;
  std::unique_ptr<WorkPool> admin_pool_;
  std::unique_ptr<AdminService> admin_service_;
  std::unique_ptr<GrpcEndpoint> admin_;
  std::unique_ptr<Watchdog> watchdog_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerConfig& config) { return Start(config, {}); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerConfig& config, ServerParts parts) {
  auto impl = std::make_unique<Impl>(config, std::move(parts));
  if (absl::Status status = impl->Start(); !status.ok()) return status;
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

int Server::grpc_port() const { return impl_->grpc_port(); }
int Server::http_port() const { return impl_->http_port(); }
std::vector<std::string> Server::http_routes() const { return impl_->http_routes(); }
int Server::metrics_port() const { return impl_->metrics_port(); }
int Server::admin_port() const { return impl_->admin_port(); }
void Server::ReloadSecurity() { impl_->ReloadSecurity(); }
absl::StatusOr<std::vector<std::string>> Server::Reload() { return impl_->Reload(); }
void Server::Drain() { impl_->Drain(); }

}  // namespace attendant
