// An HTTP/1.1 server: methods and paths to handlers, over plain sockets or TLS, on threads of its own.
//
// It is made to answer while callers misbehave: a connection that sends nothing, sends slowly, or does not read costs a
// place among max_connections, and when these are all taken the one that has kept the server waiting longest loses its
// place to the newcomer. Heads, bodies and times are bounded. Stopping takes no longer than the handlers that run.
// It is not: what the requests mean; that is the handlers' (metrics_listener.h, api/).
//
// cpp-httplib reads the heads and writes the answers; sockets, threads, TLS and bodies are ours, because its own cannot
// be stopped at once, wait for idle callers on the threads that should serve others, do not change certificates, and do
// not notice that a caller has gone.
// Thread-safety: Handle before Start; then any member from any thread; handlers are called from several threads.
// Ownership: borrows the TlsStore.
#ifndef ATTENDANT_SERVER_HTTP_HTTP_SERVER_H_
#define ATTENDANT_SERVER_HTTP_HTTP_SERVER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/http/http_message.h"

namespace attendant {

class TlsStore;

struct HttpServerOptions {
  std::string address;            // HOST:PORT or [IPv6]:PORT; port 0 takes a free one
  const TlsStore* tls = nullptr;  // nullptr: plain HTTP
  size_t max_connections = 64;    // each costs a thread while it is open
  size_t max_head_bytes = 16 * 1024;
  // From the first byte, or from the connection for the first request, to the end of the head.
  std::chrono::milliseconds request_timeout{5'000};
  std::chrono::milliseconds idle_timeout{75'000};   // between requests; Prometheus scrapes every minute or more often
  std::chrono::milliseconds body_timeout{30'000};   // from the head to the end of the body, if a handler wants it
  std::chrono::milliseconds write_timeout{10'000};  // for a piece of the answer
  bool compress = true;                             // answers, for callers that accept gzip
  // Origins whose pages may use this server: "https://example.com", or "*" for all. Requests that browsers send for
  // pages of other sites are refused.
  std::vector<std::string> cors_origins;
  // Makes the answers that are no handler's: 400, 403, 404, 405, 503. Unset: plain text.
  std::function<HttpResponse(int status, const std::string& message, const HttpRequest& request)> refusal;
};

// How a path that a handler is registered with is meant.
enum class PathMatch { kExact, kPrefix };

class HttpServer {
 public:
  explicit HttpServer(HttpServerOptions options);
  ~HttpServer();  // stops it

  // GET is HEAD, too. Other paths are answered with 404, other methods with 405.
  void Handle(const std::string& method, const std::string& path, HttpHandler handler,
              PathMatch match = PathMatch::kExact);
  // What is registered, as "GET /path"; a prefix ends in "*".
  std::vector<std::string> routes() const;

  // An address that is malformed or taken is an error that names it.
  absl::Status Start();
  int port() const;

  // From here on requests are answered with 503; those that have begun are finished. Returns when they are, or at that
  // time.
  void BeginDrain();
  void AwaitDrain(std::chrono::steady_clock::time_point until);
  // Closes the listener and every connection, waits for the handlers that run.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_HTTP_SERVER_H_
