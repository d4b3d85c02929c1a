#include "server/grpc_endpoint.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/resource_quota.h>
#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/connection_acceptor.h"
#include "server/network/listen_address.h"
#include "server/observability/logging.h"
#include "server/rpc/health_service.h"
#include "server/rpc/server_credentials.h"
#include "server/rpc/work_pool.h"

namespace attendant {
namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();
// A client that has vanished without a word is noticed after at most this long.
constexpr int kKeepaliveTimeMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
// For TLS and the first frame of HTTP/2; gRPC's default of two minutes is a long time to hold a silent caller's socket.
constexpr int kHandshakeTimeoutMs = 10'000;
// Clients behind NATs and proxies ping every 10 s or more; gRPC's default of 5 minutes would cut them off.
constexpr int kMinPingIntervalMs = 5'000;
// gRPC 1.51 serves connections with half as many threads as there are CPUs, but two, and a connection that never stops
// sending keeps one of them busy. With these more, a few such connections do not keep out everybody else.
constexpr int kMorePollers = 6;
// Threads that introduce new connections to gRPC.
constexpr int kGreeters = 4;

// A completion queue on which nothing is ever started: whoever waits on it serves the server's connections meanwhile.
class Poller {
 public:
  explicit Poller(std::unique_ptr<grpc::ServerCompletionQueue> queue)
      : queue_(std::move(queue)), thread_([this] {
          void* tag = nullptr;
          bool ok = false;
          while (queue_->Next(&tag, &ok)) {
          }
        }) {
    pthread_setname_np(thread_.native_handle(), "poller");
  }
  ~Poller() {
    queue_->Shutdown();
    thread_.join();
  }
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

 private:
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;
};

int ToInt(int64_t value) { return static_cast<int>(std::min<int64_t>(value, kMaxInt)); }

// Of gRPC's errors one a second is a warning: outsiders make them, too, by handshakes that fail.
bool FirstOfItsSecond() {
  static std::atomic<int64_t> last{-1};
  const auto now = std::chrono::steady_clock::now().time_since_epoch() / std::chrono::seconds(1);
  return last.exchange(now) != now;
}

// gRPC and protobuf write to stderr by themselves; their lines join ours. What protobuf says of a message that does not
// parse is the caller's business, and a caller could fill the disk with it.
void RedirectLibraryLogs() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    const bool warn = args->severity == GPR_LOG_SEVERITY_ERROR && FirstOfItsSecond();
    Log(warn ? LogLevel::kWarning : LogLevel::kDebug, "grpc",
        {{"message", args->message}, {"file", args->file}, {"line", args->line}});
  });
  google::protobuf::SetLogHandler([](google::protobuf::LogLevel level, const char*, int, const std::string& message) {
    Log(level == google::protobuf::LOGLEVEL_FATAL ? LogLevel::kError : LogLevel::kDebug, "protobuf",
        {{"message", message}});
  });
}

void SetConnectionArguments(const GrpcEndpointOptions& options, grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // The services inflate by themselves, within the limits.
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  if (options.max_connection_age.count() > 0) {
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, ToInt(options.max_connection_age.count()));
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, ToInt(options.max_connection_age_grace.count()));
  }
}

// The library puts reflection into every server of a process that links it; this takes it out of one.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const std::string name = grpc::reflection::ProtoServerReflectionPlugin().name();
    std::erase_if(*plugins, [&name](const auto& plugin) { return plugin->name() == name; });
  }
};

}  // namespace

class GrpcEndpoint::Impl {
 public:
  explicit Impl(std::vector<EndpointService> services) : health_(services), services_(std::move(services)) {}

  ~Impl() { Shutdown(std::chrono::steady_clock::now()); }

  absl::Status Start(const GrpcEndpointOptions& options) {
    const bool is_unix = options.address.rfind("unix:", 0) == 0;
    auto sockets = is_unix ? Listeners::BindUnix(options.address) : Listeners::Bind(options.address);
    if (!sockets.ok()) return sockets.status();
    RedirectLibraryLogs();
    auto credentials = ServerCredentials::New(options.tls);
    if (!credentials.ok()) return credentials.status();
    credentials_ = *std::move(credentials);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    if (!options.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
    SetConnectionArguments(options, &builder);
    // Twice the limit: so far we refuse ourselves, with a message that says what to do; beyond, gRPC does.
    builder.SetMaxReceiveMessageSize(ToInt(2 * options.max_message_bytes));
    builder.SetMaxSendMessageSize(-1);
    builder.SetResourceQuota(grpc::ResourceQuota("attendant").Resize(static_cast<size_t>(options.memory_bytes)));
    for (const EndpointService& service : services_) builder.RegisterService(service.service);
    builder.RegisterService(health_.grpc_service());
    using Kind = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
    to_grpc_ = builder.experimental().AddExternalConnectionAcceptor(Kind::FROM_FD, credentials_->grpc_credentials());
    std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
    for (int i = 0; i < kMorePollers; ++i) queues.push_back(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError(absl::StrCat("gRPC does not start to serve ", options.address));
    for (auto& queue : queues) pollers_.emplace_back(std::move(queue));
    ConnectionGuard guard({.limit_bytes = options.memory_bytes,
                           .growth = [this](int64_t enough) { return heap_.GrowthBytes(enough); },
                           .relieve = [] { malloc_trim(0); }});
    // Not on the acceptor's thread: gRPC may begin to read at once, and go on as long as something comes.
    greeters_.emplace(kGreeters);
    acceptor_.emplace(*std::move(sockets), std::move(guard), [this](int listener, int connection) {
      greeters_->Post([this, listener, connection] {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
        parameters.listener_fd = listener;
        parameters.fd = connection;
        to_grpc_->HandleNewConnection(&parameters);
      });
    });
    return absl::OkStatus();
  }

  int port() const { return acceptor_->port(); }
  void SetServing(bool serving) { health_.SetServing(serving); }

  void Shutdown(std::chrono::steady_clock::time_point until) {
    if (server_ == nullptr) return;
    acceptor_->Stop();
    health_.EndWatches();
    const auto left = std::max(until - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration(0));
    server_->Shutdown(std::chrono::system_clock::now() + left);
    greeters_.reset();  // only now: a greeter may be held by a connection that never stops sending
    server_.reset();
  }

 private:
  HealthService health_;
  const std::vector<EndpointService> services_;
  std::unique_ptr<ServerCredentials> credentials_;
  const HeapMeter heap_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> to_grpc_;
  std::list<Poller> pollers_;  // outlive the server, which uses their queues
  std::unique_ptr<grpc::Server> server_;
  std::optional<WorkPool> greeters_;
  std::optional<ConnectionAcceptor> acceptor_;
};

GrpcEndpoint::GrpcEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcEndpoint::~GrpcEndpoint() = default;

absl::StatusOr<std::unique_ptr<GrpcEndpoint>> GrpcEndpoint::Start(const GrpcEndpointOptions& options,
                                                                  const std::vector<EndpointService>& services) {
  auto impl = std::make_unique<Impl>(services);
  if (absl::Status status = impl->Start(options); !status.ok()) return status;
  return std::unique_ptr<GrpcEndpoint>(new GrpcEndpoint(std::move(impl)));
}

int GrpcEndpoint::port() const { return impl_->port(); }
void GrpcEndpoint::SetServing(bool serving) { impl_->SetServing(serving); }
void GrpcEndpoint::Shutdown(std::chrono::steady_clock::time_point until) { impl_->Shutdown(until); }

}  // namespace attendant
