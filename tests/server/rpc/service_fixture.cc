#include "tests/server/rpc/service_fixture.h"

#include <grpcpp/generic/generic_stub.h>

#include <chrono>

namespace attendant::testing {

ServiceTest::ServiceTest() {
  config_.grpc_address = "127.0.0.1:0";
  config_.metrics_address.clear();
  config_.threads = 1;
  // Tests fill the queue with the same few words.
  config_.sharing.join_identical = false;
}

ServiceTest::~ServiceTest() { gate_->Open(); }

void ServiceTest::StartServer() {
  auto server = Server::Start(config_, {std::make_unique<FakeModel>(), std::make_unique<FakeRunner>(gate_), nullptr});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->grpc_port()),
                                       grpc::InsecureChannelCredentials(), arguments);
  stub_ = v1::EmbeddingService::NewStub(channel_);
}

v1::EmbedRequest ServiceTest::Texts(const std::vector<std::string>& texts) {
  v1::EmbedRequest request;
  for (const std::string& text : texts) request.add_items()->set_text(text);
  return request;
}

std::unique_ptr<grpc::ClientContext> ServiceTest::Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  return context;
}

grpc::Status ServiceTest::Embed(const v1::EmbedRequest& request, v1::EmbedResponse* response) {
  return stub_->Embed(Context().get(), request, response);
}

grpc::Status ServiceTest::CallRaw(const std::string& method, const std::string& bytes) {
  const auto context = Context();
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::CompletionQueue queue;
  auto call = grpc::GenericStub(channel_).PrepareUnaryCall(context.get(), "/attendant.v1.EmbeddingService/" + method,
                                                           request, &queue);
  grpc::ByteBuffer response;
  grpc::Status status;
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  return status;
}

std::string ServiceTest::FieldOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::BadRequest bad_request;
  if (!details.ParseFromString(status.error_details()) || details.details().empty() ||
      !details.details(0).UnpackTo(&bad_request)) {
    return "(no field)";
  }
  return bad_request.field_violations(0).field();
}

}  // namespace attendant::testing
