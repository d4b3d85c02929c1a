#include "server/grpc_endpoint.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/resource_quota.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
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
// gRPC reads up to 4 MiB at a time by default, and parses what it has read even when the connection was cut off.
constexpr int kMaxReadBytes = 256 << 10;
// Clients behind NATs and proxies ping every 10 s or more; gRPC's default of 5 minutes would cut them off.
constexpr int kMinPingIntervalMs = 5'000;
// gRPC 1.51 serves connections with half as many threads as there are CPUs, but two, and a connection that never stops
// sending keeps one of them busy. With these more, a few such connections do not keep out everybody else.
constexpr int kMorePollers = 6;
// Threads that introduce new connections to gRPC: as many as serve them, because a connection that never stops sending
// may keep the one that introduced it.
constexpr int kGreeters = 8;

// After the last call was cancelled, for connections to end by themselves.
constexpr std::chrono::seconds kLastWords{1};

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

// Does something at a time, on a thread of its own, unless it is destroyed before.
class Alarm {
 public:
  Alarm(std::chrono::steady_clock::time_point when, std::function<void()> action)
      : thread_([this, when, action = std::move(action)] {
          std::unique_lock lock(mutex_);
          if (!changed_.wait_until(lock, when, [this] { return cancelled_; })) action();
        }) {}
  ~Alarm() {
    {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool cancelled_ = false;
  std::thread thread_;  // last: it uses all of the above
};

// Introduces connections to gRPC, each on a thread of its own and through an acceptor that nobody else is using
// meanwhile: gRPC may begin to read at once and go on as long as something comes, and it holds the acceptor's lock so
// long. With one acceptor for all, one such connection would keep out everybody who comes later, and the end, too.
class Greeters {
 public:
  using Acceptor = grpc::experimental::ExternalConnectionAcceptor;

  // Before the server is built. The credentials must outlive it.
  Greeters(grpc::ServerBuilder* builder, const std::shared_ptr<grpc::ServerCredentials>& credentials) {
    using Kind = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
    for (Greeter& greeter : greeters_) {
      greeter.acceptor = builder->experimental().AddExternalConnectionAcceptor(Kind::FROM_FD, credentials);
    }
  }
  Greeters(const Greeters&) = delete;
  Greeters& operator=(const Greeters&) = delete;

  // Once the server runs.
  void Greet(int listener, int connection) {
    pool_.Post([this, listener, connection] {
      Greeter* const greeter = Take(connection);
      if (greeter == nullptr) {
        close(connection);
        return;
      }
      Acceptor::NewConnectionParameters parameters;
      parameters.listener_fd = listener;
      parameters.fd = connection;
      greeter->acceptor->HandleNewConnection(&parameters);
      GiveBack(greeter);
    });
  }

  // Before the server is shut down, which takes the acceptors' locks: greets nobody any more, and cuts off who holds a
  // greeter longer than an honest connection can, whose next byte depends on an answer.
  void Stop() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.wait_for(lock, kPatience, [this] { return busy_ == 0; });
    for (const Greeter& greeter : greeters_) {
      if (greeter.cookie.has_value() && CookieOf(greeter.connection) == greeter.cookie) {
        shutdown(greeter.connection, SHUT_RDWR);
      }
    }
  }

 private:
  static constexpr std::chrono::milliseconds kPatience{500};

  struct Greeter {
    std::unique_ptr<Acceptor> acceptor;
    bool busy = false;
    int connection = -1;             // while busy; gRPC's, which may close it
    std::optional<uint64_t> cookie;  // its, while busy
  };

  // There are as many as the pool has threads, so there is always one. Null: the end has come.
  Greeter* Take(int connection) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return nullptr;
    const auto greeter = std::find_if(greeters_.begin(), greeters_.end(), [](const Greeter& one) { return !one.busy; });
    greeter->busy = true;
    greeter->connection = connection;
    greeter->cookie = CookieOf(connection);
    ++busy_;
    return &*greeter;
  }
  void GiveBack(Greeter* greeter) {
    const std::lock_guard lock(mutex_);
    greeter->busy = false;
    greeter->cookie.reset();
    --busy_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_, but for what an acceptor does.
  std::array<Greeter, kGreeters> greeters_;
  int busy_ = 0;
  bool stopping_ = false;
  WorkPool pool_{kGreeters};  // last: its threads use all of the above
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
  builder->AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kMaxReadBytes);
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
    greeters_.emplace(&builder, credentials_->grpc_credentials());
    std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
    for (int i = 0; i < kMorePollers; ++i) queues.push_back(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError(absl::StrCat("gRPC does not start to serve ", options.address));
    for (auto& queue : queues) pollers_.emplace_back(std::move(queue));
    ConnectionGuard guard({.limit_bytes = options.memory_bytes,
                           .growth = [this](int64_t enough) { return heap_.GrowthBytes(enough); },
                           .relieve = [] { malloc_trim(0); }});
    acceptor_.emplace(*std::move(sockets), std::move(guard),
                      [this](int listener, int connection) { greeters_->Greet(listener, connection); });
    return absl::OkStatus();
  }

  int port() const { return acceptor_->port(); }
  void SetServing(bool serving) { health_.SetServing(serving); }

  void Shutdown(std::chrono::steady_clock::time_point until) {
    if (server_ == nullptr) return;
    acceptor_->Stop();
    greeters_->Stop();
    health_.EndWatches();
    // gRPC ends a connection when it comes to it, which it never does while that connection sends.
    const Alarm alarm(until + kLastWords, [this] {
      const int count = acceptor_->CutOffAll();
      if (count > 0)
        LogWarning("connections cut off", {{"count", count}, {"reason", "they outlast the drain timeout"}});
    });
    const auto left = std::max(until - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration(0));
    server_->Shutdown(std::chrono::system_clock::now() + left);
    greeters_.reset();
    server_.reset();
  }

 private:
  HealthService health_;
  const std::vector<EndpointService> services_;
  std::unique_ptr<ServerCredentials> credentials_;
  const HeapMeter heap_;
  std::list<Poller> pollers_;  // outlive the server, which uses their queues
  std::unique_ptr<grpc::Server> server_;
  std::optional<Greeters> greeters_;
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
