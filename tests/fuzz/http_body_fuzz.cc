// Any bytes as the body of any route: the answer is HTTP with JSON in it, and never "internal error", whatever the
// body. The first byte chooses the route.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "server/observability/logging.h"
#include "server/server.h"
#include "tests/fuzz/loopback.h"

namespace {

using namespace attendant;
using namespace attendant::fuzz;

constexpr std::array<const char*, 13> kRoutes = {"/v1/embeddings",
                                                 "/embed",
                                                 "/embed_all",
                                                 "/tokenize",
                                                 "/decode",
                                                 "/v2/embed",
                                                 "/attendant/v1/Embed",
                                                 "/attendant/v1/Tokenize",
                                                 "/attendant/v1/GetAttention",
                                                 "/attendant/v1/ListModels",
                                                 "/attendant/v1/GetModel",
                                                 "/attendant/v1/Rank",
                                                 "/attendant/v1/Similarity"};

// Never destroyed: libFuzzer ends the process by itself.
Server* StartServer() {
  ConfigureLogging(LogFormat::kText, LogLevel::kOff);
  ServerConfig config;
  config.grpc_address = "127.0.0.1:0";
  config.http.address = "127.0.0.1:0";
  config.metrics_address.clear();
  config.threads = 1;
  config.models.specs = {{.name = "tiny", .directory = ATTENDANT_TESTDATA "/models/tiny-mean"}};
  auto server = Server::Start(config);
  Require(server.ok(), "the server starts", server.ok() ? "" : std::string(server.status().message()));
  return server->release();
}

// HTTP/1.0: the answer is whole, and ends with the connection.
std::string Post(int port, const std::string& path, const std::string& body) {
  const int fd = ConnectLoopback(port, 10);
  const std::string request = "POST " + path + " HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) +
                              "\r\nConnection: close\r\n\r\n" + body;
  [[maybe_unused]] const ssize_t sent = send(fd, request.data(), request.size(), MSG_NOSIGNAL);
  std::string answer;
  std::array<char, 16384> buffer;
  ssize_t count = 0;
  while ((count = recv(fd, buffer.data(), buffer.size(), 0)) > 0)
    answer.append(buffer.data(), static_cast<size_t>(count));
  close(fd);
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The pointer stays within reach, or LeakSanitizer would count the server as lost.
  static Server* const server = StartServer();
  if (size == 0) return 0;
  const std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string answer = Post(server->http_port(), kRoutes[data[0] % kRoutes.size()], body);
  Require(answer.rfind("HTTP/1.1 ", 0) == 0, "the answer is HTTP", answer.substr(0, 100));
  const int status = std::atoi(answer.c_str() + 9);
  Require(status == 200 || (status >= 400 && status < 500), "the answer is one, or says what is wrong with the request",
          answer.substr(0, 500));
  const auto json = nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4), nullptr, false);
  Require(!json.is_discarded(), "the answer is JSON", answer.substr(0, 500));
  const bool error = json.is_object() && (json.contains("error") || json.contains("message"));
  Require(status == 200 || error, "a refusal says why", answer.substr(0, 500));
  return 0;
}
