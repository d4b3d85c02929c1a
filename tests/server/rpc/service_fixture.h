// A real server on a free port with a fake model, and a stub on a connection to it.
#ifndef ATTENDANT_TESTS_SERVER_RPC_SERVICE_FIXTURE_H_
#define ATTENDANT_TESTS_SERVER_RPC_SERVICE_FIXTURE_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "attendant/v1/embedding.grpc.pb.h"
#include "google/rpc/error.pb.h"
#include "server/server.h"
#include "tests/server/rpc/fake_model.h"

namespace attendant::testing {

// One worker, which waits in gate() while it is closed.
class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest();
  ~ServiceTest() override;

  // With config(), which may be changed before.
  void StartServer();

  ServerConfig& config() { return config_; }
  Gate& gate() { return *gate_; }
  Server& server() { return *server_; }
  v1::EmbeddingService::Stub& stub() { return *stub_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

  static v1::EmbedRequest Texts(const std::vector<std::string>& texts);
  // Fresh, with a deadline that only a broken server reaches.
  static std::unique_ptr<grpc::ClientContext> Context();
  grpc::Status Embed(const v1::EmbedRequest& request, v1::EmbedResponse* response);
  // Bytes instead of a message.
  grpc::Status CallRaw(const std::string& method, const std::string& bytes);
  // Of the first violation in the details.
  static std::string FieldOf(const grpc::Status& status);

 private:
  ServerConfig config_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::EmbeddingService::Stub> stub_;
};

}  // namespace attendant::testing

#endif  // ATTENDANT_TESTS_SERVER_RPC_SERVICE_FIXTURE_H_
