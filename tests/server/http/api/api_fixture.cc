#include "tests/server/http/api/api_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "server/observability/logging.h"

namespace attendant::testing {
namespace {

std::string WithoutChunks(const std::string& body) {
  std::string whole;
  for (size_t at = 0; at < body.size();) {
    const size_t line = body.find("\r\n", at);
    if (line == std::string::npos) return whole + "(broken)";
    const size_t size = std::strtoul(body.c_str() + at, nullptr, 16);
    if (size == 0) return whole;
    whole += body.substr(line + 2, size);
    at = line + 2 + size + 2;
  }
  return whole + "(broken)";
}

}  // namespace

nlohmann::json HttpAnswer::Json() const {
  auto json = nlohmann::json::parse(body, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << head << body.substr(0, 500);
  return json;
}

std::string HttpAnswer::Header(const std::string& name) const {
  const size_t at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

HttpAnswer ParseHttpAnswer(const std::string& text) {
  HttpAnswer answer;
  const size_t end = text.find("\r\n\r\n");
  if (text.rfind("HTTP/1.", 0) != 0 || end == std::string::npos) return answer;
  answer.status = std::atoi(text.c_str() + 9);
  answer.head = text.substr(0, end + 2);
  answer.body = text.substr(end + 4);
  if (answer.Header("Transfer-Encoding") == "chunked") answer.body = WithoutChunks(answer.body);
  return answer;
}

ApiTest::ApiTest() {
  ConfigureLogging(LogFormat::kText, LogLevel::kError);
  config_.grpc_address = "127.0.0.1:0";
  config_.http.address = "127.0.0.1:0";
  config_.metrics_address.clear();
  config_.threads = 1;
  config_.sharing.join_identical = false;  // the queue is filled with the same few words
}

ApiTest::~ApiTest() {
  gate_->Open();
  ConfigureLogging(LogFormat::kText, LogLevel::kInfo);
}

void ApiTest::StartServer() {
  auto server = Server::Start(config_, {std::make_unique<FakeModel>(), std::make_unique<FakeRunner>(gate_), nullptr});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
}

HttpAnswer ApiTest::Exchange(const std::string& bytes) const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string text;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    // It may refuse before it has read everything.
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    char buffer[16384];
    for (ssize_t count = 0; (count = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      text.append(buffer, static_cast<size_t>(count));
    }
  }
  close(fd);
  return ParseHttpAnswer(text);
}

HttpAnswer ApiTest::Get(const std::string& path, const std::string& headers) const {
  return Exchange("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n");
}

std::string ApiTest::PostBytes(const std::string& path, const std::string& body, const std::string& headers) {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

HttpAnswer ApiTest::Post(const std::string& path, const std::string& body, const std::string& headers) const {
  return Exchange(PostBytes(path, body, "Connection: close\r\n" + headers));
}

}  // namespace attendant::testing
