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
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/http/connection.h"
#include "server/http/exchange.h"
#include "server/http/gzip.h"
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

// A browser says so of requests that a page of another origin makes (same-site: another port, or a sibling's name);
// everybody else says nothing.
bool IsOfAnotherOrigin(const HttpRequest& request) {
  const std::string site = request.Header("Sec-Fetch-Site");
  return site == "cross-site" || site == "same-site";
}

bool IsListOfNames(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == ',' || c == ' ';
  });
}

// httplib calls back with its own request only; this is what the thread serves.
struct Serving {
  Exchange* exchange = nullptr;
  bool draining = false;  // since before the request
};
thread_local Serving current;

// An answer's body, piece by piece, as it goes out.
class Pieces {
 public:
  Pieces(HttpResponse answer, bool gzip) : answer_(std::move(answer)) {
    if (gzip) deflater_.emplace();
  }

  const std::string& content_type() const { return answer_.content_type; }

  // Appends one; false: it was the last.
  bool Next(std::string* out) {
    std::string piece = std::exchange(answer_.body, {});
    bool more = static_cast<bool>(answer_.rest);
    if (more && piece.empty()) more = answer_.rest(&piece);
    if (!deflater_.has_value()) {
      out->empty() ? out->swap(piece) : static_cast<void>(out->append(piece));
      return more;
    }
    deflater_->Write(piece, out);
    if (!more) deflater_->Finish(out);
    return more;
  }

 private:
  HttpResponse answer_;
  std::optional<Deflater> deflater_;
};

}  // namespace

class HttpServer::Impl final : private httplib::Server {
 public:
  explicit Impl(HttpServerOptions options) : options_(std::move(options)) {
    set_payload_max_length(0);  // of what httplib reads
    set_keep_alive_max_count(kMaxRequestsPerConnection);
    set_keep_alive_timeout(options_.idle_timeout / std::chrono::seconds(1));
    set_pre_routing_handler([this](const httplib::Request&, httplib::Response& response) {
      Answer(&response);
      return HandlerResponse::Handled;
    });
  }

  ~Impl() override { Stop(); }

  void Handle(const std::string& method, const std::string& path, HttpHandler handler, PathMatch match) {
    (match == PathMatch::kExact ? exact_ : prefixes_)[path][method] = std::move(handler);
  }

  std::vector<std::string> routes() const {
    std::vector<std::string> routes;
    const auto add = [&routes](const Table& table, const char* end) {
      for (const auto& [path, methods] : table) {
        for (const auto& [method, handler] : methods) routes.push_back(method + " " + path + end);
      }
    };
    add(exact_, "");
    add(prefixes_, "*");
    return routes;
  }

  absl::Status Start() {
    auto bound = Listeners::Bind(options_.address);
    if (!bound.ok()) return bound.status();
    stop_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_event_ < 0) return absl::ResourceExhaustedError("cannot make an eventfd: too many open files?");
    listeners_.emplace(*std::move(bound));
    svr_sock_ = stop_event_;  // without one, httplib takes itself for stopped and writes no chunks
    acceptor_ = std::thread([this] { AcceptConnections(); });
    return absl::OkStatus();
  }

  int port() const { return listeners_.has_value() ? listeners_->port() : 0; }

  void BeginDrain() {
    const std::lock_guard lock(mutex_);
    draining_ = true;
  }

  void AwaitDrain(Clock::time_point until) {
    std::unique_lock lock(mutex_);
    drained_.wait_until(lock, until, [this] { return answering_ == 0; });
  }

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
  using Methods = std::map<std::string, HttpHandler>;
  using Table = std::map<std::string, Methods>;

  // A request from the end of its head until its answer has been sent; drain waits for it.
  class Answering {
   public:
    explicit Answering(Impl* server) : server_(server) {
      const std::lock_guard lock(server_->mutex_);
      ++server_->answering_;
      draining_ = server_->draining_;
    }
    ~Answering() {
      const std::lock_guard lock(server_->mutex_);
      if (--server_->answering_ == 0 && server_->draining_) server_->drained_.notify_all();
    }
    bool draining() const { return draining_; }

   private:
    Impl* const server_;
    bool draining_ = false;
  };

  const Methods* FindPath(const std::string& path) const {
    if (const auto it = exact_.find(path); it != exact_.end()) return &it->second;
    for (const auto& [prefix, methods] : prefixes_) {
      if (path.size() > prefix.size() && path.compare(0, prefix.size(), prefix) == 0) return &methods;
    }
    return nullptr;
  }

  HttpResponse Refuse(int status, const std::string& message, const HttpRequest& request) const {
    if (options_.refusal) return options_.refusal(status, message, request);
    return {.status = status, .body = message + "\n"};
  }

  // The Access-Control-Allow-Origin for the request's origin; "" when it has none, or none that is allowed.
  std::string AllowedOrigin(const HttpRequest& request) const {
    const std::string origin = request.Header("Origin");
    for (const std::string& allowed : options_.cors_origins) {
      if (!origin.empty() && (allowed == origin || allowed == "*")) return allowed;
    }
    return "";
  }

  static HttpResponse Preflight(const HttpRequest& request, const std::string& allow) {
    HttpResponse response{.status = 204};
    response.headers.emplace_back("Access-Control-Allow-Methods", allow);
    const std::string names = request.Header("Access-Control-Request-Headers");
    if (!names.empty() && IsListOfNames(names)) response.headers.emplace_back("Access-Control-Allow-Headers", names);
    response.headers.emplace_back("Access-Control-Max-Age", "600");
    return response;
  }

  HttpResponse Run(Exchange& request) const {
    if (request.malformed()) return Refuse(400, "the length of the body is unclear", request);
    const Methods* methods = FindPath(request.path());
    if (methods == nullptr) return Refuse(404, "there is nothing here", request);
    const std::string method = request.method() == "HEAD" ? "GET" : request.method();
    const auto handler = methods->find(method);
    std::vector<std::string> names;
    for (const auto& [name, unused] : *methods) {
      names.push_back(name);
      if (name == "GET") names.push_back("HEAD");
    }
    const std::string allow = absl::StrJoin(names, ", ");
    const bool allowed_origin = !AllowedOrigin(request).empty();
    if (method == "OPTIONS" && allowed_origin) return Preflight(request, allow);
    if (handler == methods->end()) {
      HttpResponse refusal = Refuse(405, absl::StrCat("only ", allow, " here"), request);
      refusal.headers.emplace_back("Allow", allow);
      return refusal;
    }
    if (method != "GET" && IsOfAnotherOrigin(request) && !allowed_origin) {
      return Refuse(403, "pages of this origin may not use this server (--http-cors-origins)", request);
    }
    return handler->second(request);
  }

  void Answer(httplib::Response* out) {
    Exchange& request = *current.exchange;
    const bool draining = current.draining;
    HttpResponse answer = draining ? Refuse(503, "the server is shutting down", request) : Run(request);
    out->status = answer.status;
    for (auto& [name, value] : answer.headers) out->set_header(name, value);
    if (draining) out->set_header("Retry-After", "1");
    if (answer.status == 401) out->set_header("WWW-Authenticate", "Bearer");
    out->set_header("X-Content-Type-Options", "nosniff");
    if (const std::string origin = AllowedOrigin(request); !origin.empty()) {
      out->set_header("Access-Control-Allow-Origin", origin);
      if (origin != "*") out->set_header("Vary", "Origin");
    }
    if (request.unread() || draining) out->set_header("Connection", "close");
    SetBody(std::move(answer), request, out);
  }

  void SetBody(HttpResponse answer, const Exchange& request, httplib::Response* out) const {
    // What is smaller fits into one packet anyway.
    constexpr size_t kWorthCompressing = 1024;
    const bool whole = !answer.rest;
    const bool gzip = options_.compress && request.accepts_gzip() && answer.compression == Compression::kIfWanted &&
                      (answer.body.size() >= kWorthCompressing || !whole);
    if (gzip) out->set_header("Content-Encoding", "gzip");
    if (answer.compression == Compression::kIfWanted) out->set_header("Vary", "Accept-Encoding");
    auto pieces = std::make_shared<Pieces>(std::move(answer), gzip);
    if (whole || !request.takes_chunks()) {
      while (pieces->Next(&out->body)) {
      }
      if (!out->body.empty()) out->set_header("Content-Type", pieces->content_type());
      return;
    }
    out->set_chunked_content_provider(pieces->content_type(), [pieces](size_t, httplib::DataSink& sink) {
      std::string piece;
      const bool more = pieces->Next(&piece);
      if (!piece.empty() && !sink.write(piece.data(), piece.size())) return false;
      if (!more) sink.done();
      return true;
    });
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
      Exchange exchange(connection);
      std::optional<Answering> answering;
      current.exchange = &exchange;
      const auto read_head = [&](httplib::Request& request) {
        exchange.Begin(&request, options_.body_timeout);
        answering.emplace(this);
        current.draining = answering->draining();
        connection->BeginAnswer();
      };
      bool closed = false;
      const bool last = i == kMaxRequestsPerConnection;
      const bool answered = process_request(*connection, last, closed, read_head);
      if (connection->head_too_large()) connection->write(kHeadTooLarge, sizeof kHeadTooLarge - 1);
      // What is left of the request cannot be told from the next one; nor can what follows a head that is none.
      if (exchange.unread() || !answering.has_value()) return connection->Linger();
      if (!connection->Flush() || !answered || closed || last || current.draining) return;
      until = Clock::now() + options_.idle_timeout;
    }
  }

  const HttpServerOptions options_;
  Table exact_;
  Table prefixes_;
  std::optional<Listeners> listeners_;
  int stop_event_ = -1;
  std::thread acceptor_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::condition_variable drained_;
  std::set<Connection*> open_;     // pending or served
  std::set<Connection*> dropped_;  // of those: shut down, not yet gone
  std::deque<std::unique_ptr<Connection>> pending_;
  std::vector<std::thread> threads_;
  size_t idle_threads_ = 0;
  size_t answering_ = 0;
  bool draining_ = false;
  bool stopping_ = false;
};

HttpServer::HttpServer(HttpServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpServer::~HttpServer() = default;

void HttpServer::Handle(const std::string& method, const std::string& path, HttpHandler handler, PathMatch match) {
  impl_->Handle(method, path, std::move(handler), match);
}
std::vector<std::string> HttpServer::routes() const { return impl_->routes(); }
absl::Status HttpServer::Start() { return impl_->Start(); }
int HttpServer::port() const { return impl_->port(); }
void HttpServer::BeginDrain() { impl_->BeginDrain(); }
void HttpServer::AwaitDrain(std::chrono::steady_clock::time_point until) { impl_->AwaitDrain(until); }
void HttpServer::Stop() { impl_->Stop(); }

}  // namespace attendant
