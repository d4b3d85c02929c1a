// The one chain: whatever method a server registers, it refuses callers without a key, counts them and logs them.
#include "server/rpc/call_chain.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/empty.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <set>
#include <thread>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/observability/logging.h"
#include "server/security/key_file.h"
#include "tests/server/rpc/service_fixture.h"
#include "tests/testing/http_client.h"
#include "tests/testing/http_get.h"
#include "tests/testing/temp_dir.h"

namespace attendant::testing {
namespace {

using grpc::StatusCode;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kKey[] = "key-one-0123456789abcdef";
constexpr char kOther[] = "key-two-0123456789abcdef";
constexpr char kPrefix[] = "/attendant.v1.EmbeddingService/";

struct Reply {
  grpc::Status status;
  std::string bytes;
  std::string pushback;  // the trailer
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

// Field `number` of these bytes of a message, as many times as it is there.
std::vector<std::string> Fields(const std::string& bytes, int number) {
  google::protobuf::Empty message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  std::vector<std::string> values;
  const auto& fields = message.GetReflection()->GetUnknownFields(message);
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i).number() == number) values.push_back(fields.field(i).length_delimited());
  }
  return values;
}

class CallChainTest : public ServiceTest {
 protected:
  CallChainTest() { ConfigureLogging(LogFormat::kText, LogLevel::kInfo); }

  std::string Line(const std::string& name, const std::string& key, const std::string& attributes = "") {
    return *KeyFileLine(name, key) + " " + attributes + "\n";
  }

  void StartWithKeys(const std::string& lines) {
    config().security.api_keys_file = directory_.Write("keys", lines);
    config().metrics_address = "127.0.0.1:0";
    config().http.address = "127.0.0.1:0";
    config().models.admin_address = "127.0.0.1:0";
    config().access_log = true;
    ::testing::internal::CaptureStderr();  // the start
    StartServer();
    ::testing::internal::GetCapturedStderr();
  }

  // One message there, at most one back; that will do for streams, too.
  Reply Call(const std::string& path, const std::string& bytes, const Metadata& metadata) {
    return Call(channel(), path, bytes, metadata);
  }
  static Reply Call(const std::shared_ptr<grpc::Channel>& listener, const std::string& path, const std::string& bytes,
                    const Metadata& metadata) {
    const auto context = Context();
    for (const auto& [name, value] : metadata) context->AddMetadata(name, value);
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::CompletionQueue queue;
    auto call = grpc::GenericStub(listener).PrepareUnaryCall(context.get(), path, request, &queue);
    grpc::ByteBuffer response;
    Reply reply;
    call->StartCall();
    call->Finish(&response, &reply.status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    grpc::Slice whole;
    if (reply.status.ok() && response.DumpToSingleSlice(&whole).ok()) {
      reply.bytes.assign(reinterpret_cast<const char*>(whole.begin()), whole.size());
    }
    const auto& trailers = context->GetServerTrailingMetadata();
    if (const auto it = trailers.find("grpc-retry-pushback-ms"); it != trailers.end()) {
      reply.pushback.assign(it->second.data(), it->second.size());
    }
    return reply;
  }

  static Metadata Bearer(const std::string& key) { return {{"authorization", "Bearer " + key}}; }

  // A method and the listener that it is registered with.
  struct Door {
    std::shared_ptr<grpc::Channel> channel;
    const google::protobuf::MethodDescriptor* method;
  };

  std::shared_ptr<grpc::Channel> AdminChannel() {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(server().admin_port()),
                               grpc::InsecureChannelCredentials());
  }

  // What reflection says is registered with each listener, but for what is open to everybody.
  std::vector<Door> Doors() {
    std::vector<Door> doors;
    for (const auto& listener : {channel(), AdminChannel()}) {
      const Reply reply =
          Call(listener, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*", {});
      EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
      for (const std::string& list : Fields(reply.bytes, 6)) {
        for (const std::string& service : Fields(list, 1)) AddMethods(listener, Fields(service, 1).at(0), &doors);
      }
    }
    return doors;
  }

  static void AddMethods(const std::shared_ptr<grpc::Channel>& listener, const std::string& name,
                         std::vector<Door>* doors) {
    if (name == "grpc.health.v1.Health" || name == "grpc.reflection.v1alpha.ServerReflection") return;
    const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i) doors->push_back({listener, service->method(i)});
  }

  static std::string PathOf(const google::protobuf::MethodDescriptor& method) {
    return "/" + method.service()->full_name() + "/" + method.name();
  }

  // The metrics' name of a method; those that are not offered share one.
  static std::string LabelOf(const google::protobuf::MethodDescriptor& method) {
    const std::string& service = method.service()->full_name();
    if (service.rfind("attendant.", 0) == 0) return method.name();
    const bool offered = method.input_type()->name() != "NotOffered" && service != "tei.v1.Predict" &&
                         service != "tei.v1.Rerank" && method.name().rfind("EmbedSparse", 0) != 0;
    return service.substr(0, service.find('.')) + "." + (offered ? method.name() : "not_offered");
  }

  // The HTTP port's routes, but for what is open to everybody: whether it is well, and files.
  std::vector<std::string> HttpDoors() {
    static const std::set<std::string> kOpen = {"GET /healthz", "GET /readyz",       "GET /health",
                                                "GET /ping",    "GET /openapi.json", "GET /"};
    std::vector<std::string> doors;
    for (const std::string& route : server().http_routes()) {
      const bool file = route.rfind("GET /docs", 0) == 0 || route.rfind("GET /page/", 0) == 0;
      if (kOpen.count(route) == 0 && !file) doors.push_back(route);
    }
    return doors;
  }

  // The status line of the answer to a call without a body. A prefix is called as "...x".
  std::string CallHttp(std::string route, const std::string& headers) {
    if (route.back() == '*') route.back() = 'x';
    HttpConnection connection("127.0.0.1", server().http_port());
    connection.Send(route + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
    const std::string answer = connection.ReadAnswer();
    return answer.substr(0, answer.find("\r\n"));
  }

  std::string Scrape() { return HttpGet(server().metrics_port(), "/metrics"); }

  grpc::Status EmbedWith(const std::string& key, const std::vector<std::string>& texts) {
    return Call(std::string(kPrefix) + "Embed", Texts(texts).SerializeAsString(), Bearer(key)).status;
  }

  TempDir directory_;
};

TEST_F(CallChainTest, EveryDoorRefusesCountsAndLogs) {
  config().security.reflection = "on";
  StartWithKeys(Line("one", kKey));
  const auto doors = Doors();
  ASSERT_GE(doors.size(), 47u);
  std::map<std::string, int> calls;
  for (const auto& [listener, method] : doors) {
    SCOPED_TRACE(method->full_name());
    const std::string label = LabelOf(*method);
    const std::string count = std::to_string(++calls[label]);
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(Call(listener, PathOf(*method), "", {}).status.error_code(), StatusCode::UNAUTHENTICATED);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("event=call"), HasSubstr("method=" + label), HasSubstr("code=UNAUTHENTICATED"),
                      HasSubstr("peer=ipv4:127.0.0.1:")));
    const std::string metrics = Scrape();
    EXPECT_THAT(metrics, HasSubstr("attendant_requests_total{code=\"UNAUTHENTICATED\",method=\"" + label + "\"} " +
                                   count + "\n"));
    EXPECT_THAT(metrics, HasSubstr("attendant_requests_in_flight{method=\"" + label + "\"} 0\n"));
  }
}

TEST_F(CallChainTest, EveryDoorOpensForItsKeyOnlyAndNamesIt) {
  config().security.reflection = "on";
  StartWithKeys(Line("one", kKey) + Line("boss", kOther, "allow=admin"));
  const auto doors = Doors();
  for (const auto& [listener, method] : doors) {
    SCOPED_TRACE(method->full_name());
    const bool admin = listener != channel();
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(Call(listener, PathOf(*method), "", Bearer(admin ? kKey : kOther)).status.error_code(),
              StatusCode::PERMISSION_DENIED);
    const StatusCode code = Call(listener, PathOf(*method), "", Bearer(admin ? kOther : kKey)).status.error_code();
    EXPECT_NE(code, StatusCode::UNAUTHENTICATED);
    EXPECT_NE(code, StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("method=" + LabelOf(*method)), HasSubstr(admin ? "key=boss" : "key=one")));
  }
  // A key counts where it opens.
  EXPECT_THAT(Scrape(),
              AllOf(HasSubstr("attendant_key_requests_total{key=\"one\"} " + std::to_string(doors.size() - 5) + "\n"),
                    HasSubstr("attendant_key_requests_total{key=\"boss\"} 5\n")));
}

TEST_F(CallChainTest, EveryHttpDoorRefusesCountsAndLogs) {
  StartWithKeys(Line("one", kKey, "allow=embed,metrics") + Line("boss", kOther, "allow=admin"));
  const auto doors = HttpDoors();
  ASSERT_GE(doors.size(), 19u);
  for (const std::string& route : doors) {
    SCOPED_TRACE(route);
    ::testing::internal::CaptureStderr();
    EXPECT_THAT(CallHttp(route, ""), HasSubstr(" 401 "));
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("event=call"), HasSubstr("code=UNAUTHENTICATED"), HasSubstr("peer=ipv4:127.0.0.1:")));
    ::testing::internal::CaptureStderr();
    EXPECT_THAT(CallHttp(route, "X-API-Key: " + std::string(kOther) + "\r\n"), HasSubstr(" 403 "));
    EXPECT_THAT(::testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("event=call"), HasSubstr("code=PERMISSION_DENIED")));
    ::testing::internal::CaptureStderr();
    EXPECT_THAT(CallHttp(route, "Authorization: Bearer " + std::string(kKey) + "\r\n"),
                AllOf(Not(HasSubstr(" 401 ")), Not(HasSubstr(" 403 ")), HasSubstr("HTTP/1.1 ")));
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), AllOf(HasSubstr("event=call"), HasSubstr("key=one")));
  }
  const std::string count = std::to_string(doors.size());
  EXPECT_THAT(Scrape(), AllOf(HasSubstr("attendant_key_requests_total{key=\"one\"} " + count + "\n"),
                              HasSubstr("attendant_requests_total{code=\"UNAUTHENTICATED\",method=\"http.Embed\"} 1\n"),
                              HasSubstr("attendant_requests_in_flight{method=\"http.Embed\"} 0\n")));
}

TEST_F(CallChainTest, WithoutKeysEverybodyMayCall) {
  StartServer();
  v1::EmbedResponse response;
  EXPECT_TRUE(Embed(Texts({"a"}), &response).ok());
}

TEST_F(CallChainTest, HealthAsksForNoKey) {
  StartWithKeys(Line("one", kKey));
  const auto stub = grpc::health::v1::Health::NewStub(channel());
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_TRUE(stub->Check(Context().get(), {}, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
}

TEST_F(CallChainTest, ReflectionIsOffOnceThereAreKeys) {
  StartWithKeys(Line("one", kKey));
  const std::string path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  EXPECT_EQ(Call(path, "\x3a\x01*", Bearer(kKey)).status.error_code(), StatusCode::UNIMPLEMENTED);
  config().security.api_keys_file.clear();
  StartServer();
  EXPECT_TRUE(Call(path, "\x3a\x01*", {}).status.ok());
}

TEST_F(CallChainTest, TheKeyMayComeInEitherOfTwoWaysButNotInBoth) {
  StartWithKeys(Line("one", kKey) + Line("two", kOther));
  const std::string path = std::string(kPrefix) + "ListModels";
  const auto code = [&](const Metadata& metadata) { return Call(path, "", metadata).status.error_code(); };
  EXPECT_EQ(code({{"authorization", std::string("Bearer ") + kKey}}), StatusCode::OK);
  EXPECT_EQ(code({{"authorization", std::string("bearer ") + kKey}}), StatusCode::OK);
  EXPECT_EQ(code({{"x-api-key", kKey}}), StatusCode::OK);
  for (const Metadata& metadata :
       {Metadata{}, Metadata{{"authorization", ""}}, Metadata{{"authorization", kKey}}, Metadata{{"x-api-key", ""}},
        Metadata{{"authorization", "Bearer "}}, Metadata{{"authorization", std::string("Basic ") + kKey}},
        Metadata{{"x-api-key", std::string(kKey) + "x"}}, Metadata{{"x-api-key", kKey}, {"x-api-key", kKey}},
        Metadata{{"x-api-key", kKey}, {"authorization", std::string("Bearer ") + kOther}}}) {
    const grpc::Status status = Call(path, "", metadata).status;
    EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED);
    EXPECT_THAT(status.error_message(), AllOf(HasSubstr("Bearer KEY"), Not(HasSubstr(kKey))));
  }
}

TEST_F(CallChainTest, AKeyForSomethingElseIsNamedAndRefused) {
  StartWithKeys(Line("prometheus", kKey, "allow=metrics"));
  const grpc::Status status = EmbedWith(kKey, {"a"});
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("\"prometheus\""));
}

TEST_F(CallChainTest, ABulkKeyMakesItsRequestsBulk) {
  StartWithKeys(Line("nightly", kKey, "class=bulk"));
  v1::EmbedRequest request = Texts({"a"});
  const auto status = [&] {
    return Call(std::string(kPrefix) + "Embed", request.SerializeAsString(), Bearer(kKey)).status;
  };
  EXPECT_TRUE(status().ok());
  request.set_service_class(v1::SERVICE_CLASS_BULK);
  EXPECT_TRUE(status().ok());
  request.set_service_class(v1::SERVICE_CLASS_INTERACTIVE);
  EXPECT_EQ(status().error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status().error_message(), HasSubstr("\"nightly\""));
}

TEST_F(CallChainTest, AQuotaRefusesWithAHintWhenToComeAgain) {
  // The bucket holds the largest item of the model: 16 tokens.
  StartWithKeys(Line("one", kKey, "tokens-per-second=1"));
  ASSERT_TRUE(EmbedWith(kKey, {"a b c d e f g h i j"}).ok());
  const Reply reply =
      Call(std::string(kPrefix) + "Embed", Texts({"a b c d e f g h i j"}).SerializeAsString(), Bearer(kKey));
  EXPECT_EQ(reply.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(reply.status.error_message(), AllOf(HasSubstr("\"one\""), HasSubstr("quota of 1 tokens per second")));
  const int pushback_ms = std::stoi(reply.pushback);
  EXPECT_GT(pushback_ms, 2'000);
  EXPECT_LE(pushback_ms, 4'000);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(reply.status.error_details()));
  google::rpc::RetryInfo retry;
  EXPECT_TRUE(details.details(0).UnpackTo(&retry));
  EXPECT_THAT(Scrape(), AllOf(HasSubstr("attendant_key_tokens_total{key=\"one\"} 10\n"),
                              HasSubstr("attendant_key_refused_total{key=\"one\"} 1\n")));
}

TEST_F(CallChainTest, ARequestBeyondTheQuotasBurstIsToldSo) {
  StartWithKeys(Line("one", kKey, "tokens-per-second=1"));
  const Reply reply = Call(std::string(kPrefix) + "Embed",
                           Texts({"a b c d e f g h i j", "a b c d e f g h i j"}).SerializeAsString(), Bearer(kKey));
  EXPECT_EQ(reply.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(reply.status.error_message(), AllOf(HasSubstr("never"), HasSubstr("at most 16")));
  EXPECT_EQ(reply.pushback, "-1");
  EXPECT_TRUE(reply.status.error_details().empty());
}

TEST_F(CallChainTest, AttentionIsChargedToo) {
  StartWithKeys(Line("one", kKey, "tokens-per-second=1"));
  v1::GetAttentionRequest request;
  request.mutable_item()->set_text("a b c d e f g h i j");
  const std::string path = std::string(kPrefix) + "GetAttention";
  EXPECT_TRUE(Call(path, request.SerializeAsString(), Bearer(kKey)).status.ok());
  EXPECT_EQ(Call(path, request.SerializeAsString(), Bearer(kKey)).status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(CallChainTest, WhatTheSchedulerRefusesIsNotCharged) {
  config().scheduler.max_queued_tokens = 4;
  StartWithKeys(Line("one", kKey, "tokens-per-second=1"));
  for (int i = 0; i < 3; ++i) {
    const grpc::Status status = EmbedWith(kKey, {"a b c d e f g h i j"});
    EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), Not(HasSubstr("quota")));
  }
  EXPECT_THAT(Scrape(), HasSubstr("attendant_key_tokens_total{key=\"one\"} 0\n"));
}

TEST_F(CallChainTest, AStreamIsRefusedBeforeItIsRead) {
  StartWithKeys(Line("one", kKey));
  const auto context = Context();
  const auto stream = stub().EmbedStream(context.get());
  v1::EmbedStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));  // nothing was written: the answer comes all the same
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNAUTHENTICATED);
}

TEST_F(CallChainTest, AStreamThatIsShedIsCountedToo) {
  config().scheduler.max_queued_items = 4;
  config().limits.max_items_per_request = 4;
  config().scheduler.max_batch_items = 1;
  StartWithKeys(Line("one", kKey));
  gate().Close();
  std::thread busy([this] { EXPECT_TRUE(EmbedWith(kKey, {"a", "b", "c", "d"}).ok()); });
  gate().AwaitArrival();  // one runs, three of four wait
  const auto context = Context();
  context->AddMetadata("authorization", std::string("Bearer ") + kKey);
  const auto stream = stub().EmbedStream(context.get());
  v1::EmbedStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(Scrape(), HasSubstr("attendant_requests_total{code=\"RESOURCE_EXHAUSTED\",method=\"EmbedStream\"} 1\n"));
  gate().Open();
  busy.join();
}

TEST_F(CallChainTest, AKeyThatIsTakenBackOpensNothingMoreNotEvenInAnOpenStream) {
  StartWithKeys(Line("one", kKey));
  const auto context = Context();
  context->AddMetadata("authorization", std::string("Bearer ") + kKey);
  const auto stream = stub().EmbedStream(context.get());
  v1::EmbedStreamRequest request;
  request.set_id("first");
  *request.mutable_request() = Texts({"a"});
  v1::EmbedStreamResponse response;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status().code(), 0);

  directory_.Replace("keys", Line("two", kOther));
  server().ReloadSecurity();
  request.set_id("second");
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.id(), "second");
  EXPECT_EQ(response.status().code(), static_cast<int>(StatusCode::UNAUTHENTICATED));
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(EmbedWith(kKey, {"a"}).error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(EmbedWith(kOther, {"a"}).ok());
}

TEST_F(CallChainTest, ABadKeyFileIsAClearErrorAtTheStart) {
  config().security.api_keys_file = directory_.Write("keys", "one\n");
  const auto server = Server::Start(config(), {std::make_unique<FakeModel>(), nullptr});
  EXPECT_THAT(std::string(server.status().message()),
              AllOf(HasSubstr("--api-keys-file"), HasSubstr("keys: line 1"), HasSubstr("SHA-256")));
}

}  // namespace
}  // namespace attendant::testing
