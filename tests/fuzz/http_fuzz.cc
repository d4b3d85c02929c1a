// Any bytes on a connection of the HTTP listener: it answers or closes in time, with nothing but what HTTP allows it to
// say.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>

#include "server/http/http_server.h"
#include "server/observability/logging.h"
#include "tests/fuzz/loopback.h"

namespace {

using namespace attendant;
using namespace attendant::fuzz;

// Never destroyed: libFuzzer ends the process by itself.
HttpServer* StartServer() {
  ConfigureLogging(LogFormat::kText, LogLevel::kOff);
  HttpServerOptions options;
  options.address = "127.0.0.1:0";
  options.request_timeout = std::chrono::milliseconds(500);
  options.idle_timeout = options.body_timeout = std::chrono::milliseconds(500);
  auto* server = new HttpServer(options);
  server->Handle("GET", "/healthz", [](const HttpRequest& request) {
    return HttpResponse{.body = PresentedKey(request.credentials()).ok() ? "key\n" : "ok\n"};
  });
  server->Handle("POST", "/echo", [](HttpRequest& request) {
    const auto body = request.ReadBody(
        {.max_bytes = 64 * 1024, .flag = "--flag", .reserve = [](int64_t) { return absl::OkStatus(); }});
    return body.ok() ? HttpResponse{.body = *body} : HttpResponse{.status = 400, .body = "no\n"};
  });
  Require(server->Start().ok(), "the server starts");
  return server;
}

std::string Exchange(int port, const std::string& bytes) {
  const int fd = ConnectLoopback(port, 5);
  // It may close before it has read everything.
  [[maybe_unused]] const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
  std::string answer;
  char buffer[4096];
  ssize_t count = 0;
  while ((count = recv(fd, buffer, sizeof buffer, 0)) > 0) answer.append(buffer, static_cast<size_t>(count));
  Require(count == 0 || errno == ECONNRESET, "it answers or closes in time");
  close(fd);
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static HttpServer* const server = StartServer();
  static int turn = 0;
  const std::string answer = Exchange(server->port(), std::string(reinterpret_cast<const char*>(data), size));
  Require(answer.empty() || answer.rfind("HTTP/1.", 0) == 0, "an answer is one of HTTP", answer.substr(0, 100));
  if (++turn % 16 == 0) {
    const std::string health =
        Exchange(server->port(), "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    Require(health.find("ok\n") != std::string::npos, "it goes on answering", health);
  }
  return 0;
}
