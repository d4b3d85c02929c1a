// The HTTP port: every route of every protocol that it speaks, on one HttpServer.
//
// It is not: the protocols; each has its own file beside this one. Thread-safety: Start, then any member from any
// thread. Ownership: what the options point to must outlive it.
#ifndef ATTENDANT_SERVER_HTTP_API_HTTP_API_H_
#define ATTENDANT_SERVER_HTTP_API_HTTP_API_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/http/api/http_call.h"
#include "server/http/http_server.h"
#include "server/rpc/tei/tei_services.h"

namespace attendant {

struct HttpApiOptions {
  HttpServerOptions server;
  int64_t max_body_bytes = 0;
  ServiceCore core;
  TeiFacts facts;
  std::function<bool()> ready;  // called on the server's threads
};

class HttpApi {
 public:
  // An address that is malformed or taken is an error that names it.
  static absl::StatusOr<std::unique_ptr<HttpApi>> Start(HttpApiOptions options);

  int port() const { return server_.port(); }
  // As HttpServer's.
  std::vector<std::string> routes() const { return server_.routes(); }
  void BeginDrain() { server_.BeginDrain(); }
  void AwaitDrain(std::chrono::steady_clock::time_point until) { server_.AwaitDrain(until); }
  void Stop() { server_.Stop(); }

 private:
  explicit HttpApi(HttpApiOptions options);

  const HttpApiOptions options_;
  ServiceCore metrics_service_core_;
  const HttpDoorCore core_;
  const HttpDoorCore metrics_core_;
  HttpServer server_;  // last: its handlers use all of the above
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_HTTP_API_H_
