// A small HTTP/1.1 server: exact paths to handlers, over plain sockets or TLS, on threads of its own.
//
// It is made to answer while callers misbehave: a connection that sends nothing, sends slowly, or does not read costs a
// place among max_connections, and when these are all taken the one that has kept the server waiting longest loses its
// place to the newcomer. Heads, bodies and times are bounded. Stopping takes no longer than the handler that runs.
// It is not: the transport of the models' calls; no gRPC in here.
//
// cpp-httplib reads the requests and writes the answers; sockets, threads and TLS are ours, because its own cannot be
// stopped at once, wait for idle callers on the threads that should serve others, and do not change certificates.
// Thread-safety: Handle before Start; handlers are called from several threads. Ownership: borrows the TlsStore.
#ifndef ATTENDANT_SERVER_HTTP_HTTP_SERVER_H_
#define ATTENDANT_SERVER_HTTP_HTTP_SERVER_H_

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace attendant {

class TlsStore;

struct HttpServerOptions {
  std::string address;            // HOST:PORT or [IPv6]:PORT; port 0 takes a free one
  const TlsStore* tls = nullptr;  // nullptr: plain HTTP
  size_t max_connections = 64;    // each costs a thread while it is open
  size_t max_head_bytes = 16 * 1024;
  // From the first byte, or from the connection for the first request, to the end of the request.
  std::chrono::milliseconds request_timeout{5'000};
  std::chrono::milliseconds idle_timeout{75'000};   // between requests; Prometheus scrapes every minute or more often
  std::chrono::milliseconds write_timeout{10'000};  // for the whole answer
};

struct HttpRequest {
  std::string path;
  // "Authorization: Bearer KEY" or "X-API-Key: KEY"; none as well when there are several.
  std::optional<std::string> api_key;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Of GET and HEAD. Must not throw and not block.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

class HttpServer {
 public:
  explicit HttpServer(HttpServerOptions options);
  ~HttpServer();  // stops it

  // path: exact. Any other is answered with 404, any other method with 405.
  void Handle(const std::string& path, HttpHandler handler);

  // An address that is malformed or taken is an error that names it.
  absl::Status Start();
  int port() const;

  // Closes the listener and every connection, waits for the handlers that run.
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_HTTP_SERVER_H_
