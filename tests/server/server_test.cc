#include "server/server.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "attendant/v1/embedding.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/server/rpc/fake_model.h"

namespace attendant {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using ::testing::HasSubstr;

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    config_.grpc_address = "127.0.0.1:0";
    config_.metrics_address.clear();
    config_.threads = 1;
  }

  absl::StatusOr<std::unique_ptr<Server>> Start() {
    return Server::Start(
        config_, {std::make_unique<testing::FakeModel>(), std::make_unique<testing::FakeRunner>(gate_), nullptr});
  }

  static std::shared_ptr<grpc::Channel> Connect(const Server& server) {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(server.grpc_port()), grpc::InsecureChannelCredentials());
  }

  static void SetDeadline(grpc::ClientContext* context) {
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }

  ServerConfig config_;
  std::shared_ptr<testing::Gate> gate_ = std::make_shared<testing::Gate>();
};

TEST_F(ServerTest, ATakenAddressIsAClearError) {
  const auto first = Start();
  ASSERT_TRUE(first.ok()) << first.status();
  config_.grpc_address = "127.0.0.1:" + std::to_string((*first)->grpc_port());
  const auto second = Start();
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()),
              ::testing::AllOf(HasSubstr(config_.grpc_address), HasSubstr("another server")));
}

TEST_F(ServerTest, AMissingModelIsAClearError) {
  config_.models.specs = {{.name = "none", .directory = "/no/such/model"}};
  EXPECT_THAT(std::string(Server::Start(config_).status().message()), HasSubstr("/no/such/model"));
}

TEST_F(ServerTest, HealthKnowsTheServerAndItsServices) {
  const auto server = Start();
  ASSERT_TRUE(server.ok());
  const auto stub = grpc::health::v1::Health::NewStub(Connect(**server));
  const auto check = [&stub](const char* service, HealthCheckResponse* response) {
    grpc::ClientContext context;
    SetDeadline(&context);
    HealthCheckRequest request;
    request.set_service(service);
    return stub->Check(&context, request, response);
  };
  for (const char* service : {"", "attendant.v1.EmbeddingService"}) {
    HealthCheckResponse response;
    ASSERT_TRUE(check(service, &response).ok());
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
  HealthCheckResponse response;
  EXPECT_EQ(check("other", &response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerTest, WatchHearsOfTheDrainAndDoesNotHoldItUp) {
  const auto server = Start();
  ASSERT_TRUE(server.ok());
  const auto stub = grpc::health::v1::Health::NewStub(Connect(**server));
  grpc::ClientContext context;
  grpc::ClientContext unknown_context;
  SetDeadline(&context);
  SetDeadline(&unknown_context);
  HealthCheckRequest unknown;
  unknown.set_service("other");
  const auto watch = stub->Watch(&context, HealthCheckRequest());
  const auto unknown_watch = stub->Watch(&unknown_context, unknown);
  HealthCheckResponse response;
  ASSERT_TRUE(unknown_watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  (*server)->Drain();
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, DrainFinishesCallsUnderWay) {
  const auto server = Start();
  ASSERT_TRUE(server.ok());
  const auto stub = v1::EmbeddingService::NewStub(Connect(**server));
  gate_->Close();
  std::thread caller([&stub] {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::EmbedRequest request;
    request.add_items()->set_text("a");
    v1::EmbedResponse response;
    const grpc::Status status = stub->Embed(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  });
  gate_->AwaitArrival();
  std::thread drain([&server] { (*server)->Drain(); });
  gate_->Open();
  drain.join();
  caller.join();
}

TEST_F(ServerTest, TheDrainTimeoutCancelsWhatDoesNotFinish) {
  config_.drain_timeout = std::chrono::milliseconds(50);
  const auto server = Start();
  ASSERT_TRUE(server.ok());
  const auto stub = v1::EmbeddingService::NewStub(Connect(**server));
  gate_->Close();
  std::thread caller([&stub] {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::EmbedRequest request;
    request.add_items()->set_text("a");
    v1::EmbedResponse response;
    EXPECT_FALSE(stub->Embed(&context, request, &response).ok());
  });
  gate_->AwaitArrival();
  (*server)->Drain();  // the gate stays closed: returns only because the work is abandoned
  caller.join();
}

}  // namespace
}  // namespace attendant
