#include "server/http/http_server.h"

#include <httplib.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "server/http/connection.h"
#include "server/network/listen_address.h"
#include "server/security/tls_store.h"

namespace attendant {
namespace {

using Clock = std::chrono::steady_clock;

// So that a connection gives way to newcomers now and then, whatever the load.
constexpr int kMaxRequestsPerConnection = 1000;
// After running out of file descriptors: until some are free again.
constexpr int kOutOfFilesPauseMs = 50;
constexpr int kFullPauseMs = 10;
constexpr int kForever = -1;
constexpr char kHeadTooLarge[] =
    "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

std::optional<std::string> ApiKeyOf(const httplib::Request& request) {
  constexpr absl::string_view kBearer = "Bearer ";
  std::optional<std::string> key;
  for (const char* name : {"Authorization", "X-API-Key"}) {
    const auto [begin, end] = request.headers.equal_range(name);
    for (auto it = begin; it != end; ++it) {
      absl::string_view value = it->second;
      if (name[0] == 'A' && !absl::ConsumePrefix(&value, kBearer)) return std::nullopt;
      if (key.has_value()) return std::nullopt;
      key = std::string(absl::StripAsciiWhitespace(value));
    }
  }
  return key;
}

// What httplib would do with a request beyond our purposes: several overlapping ranges of one answer multiply it, and
// Brotli at its highest level takes a hundred times the time that gzip does.
void Restrain(httplib::Request* request) {
  request->ranges.clear();
  const bool gzip = absl::StrContains(request->get_header_value("Accept-Encoding"), "gzip");
  request->headers.erase("Accept-Encoding");
  if (gzip) request->headers.emplace("Accept-Encoding", "gzip");
}

}  // namespace

class HttpServer::Impl final : private httplib::Server {
 public:
  explicit Impl(HttpServerOptions options) : options_(std::move(options)) {
    set_payload_max_length(0);
    set_keep_alive_max_count(kMaxRequestsPerConnection);
    set_keep_alive_timeout(options_.idle_timeout / std::chrono::seconds(1));
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      Answer(request, &response);
      return HandlerResponse::Handled;
    });
  }

  ~Impl() override { Stop(); }

  void Handle(const std::string& path, HttpHandler handler) { handlers_[path] = std::move(handler); }

  absl::Status Start() {
    auto bound = Listeners::Bind(options_.address);
    if (!bound.ok()) return bound.status();
    stop_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_event_ < 0) return absl::ResourceExhaustedError("cannot make an eventfd: too many open files?");
    listeners_.emplace(*std::move(bound));
    acceptor_ = std::thread([this] { AcceptConnections(); });
    return absl::OkStatus();
  }

  int port() const { return listeners_.has_value() ? listeners_->port() : 0; }

  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      stopping_ = true;
      for (Connection* connection : open_) connection->Shutdown();
    }
    changed_.notify_all();
    if (stop_event_ >= 0) eventfd_write(stop_event_, 1);
    if (acceptor_.joinable()) acceptor_.join();
    // The acceptor made them; there will be no more.
    for (std::thread& thread : threads_) thread.join();
    listeners_.reset();
    if (stop_event_ >= 0) close(stop_event_);
  }

 private:
  void Answer(const httplib::Request& request, httplib::Response* response) {
    const auto handler = handlers_.find(request.path);
    HttpResponse answer{.status = 404, .body = "there is nothing here\n"};
    if (handler != handlers_.end()) {
      const bool allowed = request.method == "GET" || request.method == "HEAD";
      answer = allowed ? handler->second({.path = request.path, .api_key = ApiKeyOf(request)})
                       : HttpResponse{.status = 405, .body = "only GET and HEAD\n"};
    }
    response->status = answer.status;
    if (answer.status == 401) response->set_header("WWW-Authenticate", "Bearer");
    if (answer.status == 405) response->set_header("Allow", "GET, HEAD");
    response->set_header("X-Content-Type-Options", "nosniff");
    response->set_content(std::move(answer.body), answer.content_type);
  }

  void AcceptConnections() {
    BlockSigpipe();
    std::vector<pollfd> waiting;
    for (const int socket : listeners_->sockets()) waiting.push_back({socket, POLLIN, 0});
    waiting.push_back({stop_event_, POLLIN, 0});
    while (poll(waiting.data(), waiting.size(), MakeRoom()) >= 0 || errno == EINTR) {
      if (waiting.back().revents != 0) return;
      for (size_t i = 0; i + 1 < waiting.size(); ++i) {
        if (waiting[i].revents != 0) AcceptOne(waiting[i].fd);
      }
    }
  }

  void AcceptOne(int listener) {
    const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) return Take(socket);
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
    {
      const std::lock_guard lock(mutex_);
      DropLongestWaiting();
    }
    pollfd stop{stop_event_, POLLIN, 0};
    poll(&stop, 1, kOutOfFilesPauseMs);
  }

  void Take(int socket) {
    auto connection = std::make_unique<Connection>(
        socket, options_.tls == nullptr ? nullptr : options_.tls->current(),
        Connection::Limits{.max_head_bytes = options_.max_head_bytes, .write_timeout = options_.write_timeout});
    const std::lock_guard lock(mutex_);
    if (pending_.size() >= options_.max_connections) {
      open_.erase(pending_.front().get());
      pending_.pop_front();
    }
    open_.insert(connection.get());
    pending_.push_back(std::move(connection));
    if (idle_threads_ < pending_.size() && threads_.size() < options_.max_connections) AddThread();
    changed_.notify_one();
  }

  // Those who keep the server waiting make room for those who have no thread. How long to wait before another look, in
  // milliseconds: who is busy now may keep it waiting then.
  int MakeRoom() {
    const std::lock_guard lock(mutex_);
    if (threads_.size() < options_.max_connections) return kForever;
    while (pending_.size() > idle_threads_ + dropped_.size() && DropLongestWaiting()) {
    }
    return pending_.empty() ? kForever : kFullPauseMs;
  }

  // Under the lock. Without a thread to be had, the connection waits for one of those that there are.
  void AddThread() {
    try {
      threads_.emplace_back([this] { ServeConnections(); });
    } catch (const std::system_error&) {
      if (!threads_.empty()) return;
      pending_.clear();
      open_.clear();
    }
  }

  // Under the lock.
  bool DropLongestWaiting() {
    Connection* longest = nullptr;
    for (Connection* connection : open_) {
      if (!connection->waiting() || dropped_.count(connection) > 0) continue;
      if (longest == nullptr || connection->waiting_since() < longest->waiting_since()) longest = connection;
    }
    if (longest == nullptr) return false;
    dropped_.insert(longest);
    longest->Shutdown();
    return true;
  }

  static void BlockSigpipe() {
    // OpenSSL writes without MSG_NOSIGNAL.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  }

  void ServeConnections() {
    BlockSigpipe();
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_threads_;
      changed_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
      --idle_threads_;
      if (stopping_) return;
      std::unique_ptr<Connection> connection = std::move(pending_.front());
      pending_.pop_front();
      lock.unlock();
      Serve(connection.get());
      lock.lock();
      open_.erase(connection.get());
      dropped_.erase(connection.get());
    }
  }

  void Serve(Connection* connection) {
    Clock::time_point until = Clock::now() + options_.request_timeout;
    if (!connection->Handshake(until)) return;
    for (int i = 1; i <= kMaxRequestsPerConnection; ++i) {
      if (!connection->AwaitRequest(until)) return;
      connection->BeginRequest(Clock::now() + options_.request_timeout);
      // A body that no handler reads would be taken for the next request.
      bool close = i == kMaxRequestsPerConnection;
      bool closed = false;
      const auto read_head = [connection, &close](httplib::Request& request) {
        close = close || request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
        Restrain(&request);
        connection->BeginAnswer();
      };
      const bool answered = process_request(*connection, close, closed, read_head);
      if (connection->head_too_large()) connection->write(kHeadTooLarge, sizeof kHeadTooLarge - 1);
      if (!answered || closed || close) return;
      until = Clock::now() + options_.idle_timeout;
    }
  }

  const HttpServerOptions options_;
  std::map<std::string, HttpHandler> handlers_;
  std::optional<Listeners> listeners_;
  int stop_event_ = -1;
  std::thread acceptor_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::set<Connection*> open_;     // pending or served
  std::set<Connection*> dropped_;  // of those: shut down, not yet gone
  std::deque<std::unique_ptr<Connection>> pending_;
  std::vector<std::thread> threads_;
  size_t idle_threads_ = 0;
  bool stopping_ = false;
};

HttpServer::HttpServer(HttpServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpServer::~HttpServer() = default;

void HttpServer::Handle(const std::string& path, HttpHandler handler) { impl_->Handle(path, std::move(handler)); }
absl::Status HttpServer::Start() { return impl_->Start(); }
int HttpServer::port() const { return impl_->port(); }
void HttpServer::Stop() { impl_->Stop(); }

}  // namespace attendant
