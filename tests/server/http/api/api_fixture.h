// A real server with an HTTP port and a fake model, and a caller of its routes.
#ifndef ATTENDANT_TESTS_SERVER_HTTP_API_API_FIXTURE_H_
#define ATTENDANT_TESTS_SERVER_HTTP_API_API_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "server/server.h"
#include "tests/server/rpc/fake_model.h"

namespace attendant::testing {

struct HttpAnswer {
  int status = 0;  // 0: none came
  std::string head;
  std::string body;  // with its chunks put together

  // Fails the test when the body is no JSON.
  nlohmann::json Json() const;
  // "" when there is none.
  std::string Header(const std::string& name) const;
};

HttpAnswer ParseHttpAnswer(const std::string& text);

// One worker, which waits in gate() while it is closed.
class ApiTest : public ::testing::Test {
 protected:
  ApiTest();
  ~ApiTest() override;

  // With config(), which may be changed before.
  void StartServer();

  ServerConfig& config() { return config_; }
  Gate& gate() { return *gate_; }
  Server& server() { return *server_; }
  int port() const { return server_->http_port(); }

  // headers: lines with their ends.
  HttpAnswer Get(const std::string& path, const std::string& headers = "") const;
  HttpAnswer Post(const std::string& path, const std::string& body, const std::string& headers = "") const;
  // A POST as it goes over the wire.
  static std::string PostBytes(const std::string& path, const std::string& body, const std::string& headers = "");
  // The whole answer to these bytes, on a connection of its own.
  HttpAnswer Exchange(const std::string& bytes) const;

 private:
  ServerConfig config_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::unique_ptr<Server> server_;
};

}  // namespace attendant::testing

#endif  // ATTENDANT_TESTS_SERVER_HTTP_API_API_FIXTURE_H_
