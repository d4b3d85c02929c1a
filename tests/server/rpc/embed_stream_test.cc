#include "server/rpc/embed_stream.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <set>
#include <thread>

#include "tests/server/rpc/service_fixture.h"

namespace attendant::testing {
namespace {

using grpc::StatusCode;
using Stream = grpc::ClientReaderWriter<v1::EmbedStreamRequest, v1::EmbedStreamResponse>;

class EmbedStreamTest : public ServiceTest {
 protected:
  void Open() {
    StartServer();
    context_ = Context();
    stream_ = stub().EmbedStream(context_.get());
  }

  void Send(const std::string& id, const v1::EmbedRequest& embed) {
    v1::EmbedStreamRequest request;
    request.set_id(id);
    *request.mutable_request() = embed;
    EXPECT_TRUE(stream_->Write(request));
  }

  // Every answer up to the end of the stream, by id.
  std::map<std::string, v1::EmbedStreamResponse> ReadAll() {
    std::map<std::string, v1::EmbedStreamResponse> answers;
    for (v1::EmbedStreamResponse answer; stream_->Read(&answer);) answers[answer.id()] = answer;
    return answers;
  }

  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<Stream> stream_;
};

TEST_F(EmbedStreamTest, EveryRequestIsAnsweredAndHalfCloseDrains) {
  Open();
  std::thread writer([this] {
    for (int i = 0; i < 300; ++i) Send(std::to_string(i), Texts({"w" + std::to_string(i)}));
    stream_->WritesDone();
  });
  const auto answers = ReadAll();
  writer.join();
  EXPECT_TRUE(stream_->Finish().ok());
  ASSERT_EQ(answers.size(), 300u);
  for (int i = 0; i < 300; ++i) {
    const auto& values = answers.at(std::to_string(i)).response().results(0).embedding().values();
    EXPECT_THAT(values, ::testing::ElementsAre(1, i, 0, 0));
  }
}

TEST_F(EmbedStreamTest, AnEmptyStreamEndsWell) {
  Open();
  stream_->WritesDone();
  EXPECT_TRUE(ReadAll().empty());
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(EmbedStreamTest, RefusedRequestsAreAnsweredAndTheStreamGoesOn) {
  Open();
  Send("empty", v1::EmbedRequest());
  v1::EmbedRequest other = Texts({"a"});
  other.set_model("other");
  Send("model", other);
  Send("fine", Texts({"a"}));
  stream_->WritesDone();
  const auto answers = ReadAll();
  EXPECT_TRUE(stream_->Finish().ok());
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers.at("empty").status().code(), 3);
  EXPECT_EQ(answers.at("empty").status().field(), "items");
  EXPECT_FALSE(answers.at("empty").has_response());
  EXPECT_EQ(answers.at("model").status().code(), 5);
  EXPECT_EQ(answers.at("fine").response().results_size(), 1);
}

TEST_F(EmbedStreamTest, OverloadIsAnsweredWithARetryHint) {
  config().scheduler.max_queued_items = 1;
  config().limits.max_items_per_request = 1;
  Open();
  gate().Close();
  Send("running", Texts({"a"}));
  gate().AwaitArrival();
  Send("queued", Texts({"b"}));
  Send("refused", Texts({"c"}));
  v1::EmbedStreamResponse answer;
  ASSERT_TRUE(stream_->Read(&answer));
  // Requests of a stream are handled side by side: either of the two may have come first.
  EXPECT_THAT(answer.id(), ::testing::AnyOf("queued", "refused"));
  EXPECT_EQ(answer.status().code(), static_cast<int>(StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_GT(answer.retry_after_ms(), 0);
  gate().Open();
  stream_->WritesDone();
  EXPECT_EQ(ReadAll().size(), 2u);
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(EmbedStreamTest, BytesThatDoNotParseAreAnsweredUnderTheirId) {
  StartServer();
  const auto context = Context();
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  auto call =
      grpc::GenericStub(channel()).PrepareCall(context.get(), "/attendant.v1.EmbeddingService/EmbedStream", &queue);
  call->StartCall(nullptr);
  EXPECT_TRUE(next());
  for (const char* bytes : {"\x0a\x03"
                            "abc\x12\x7f",
                            "\xff\xff"}) {
    const grpc::Slice slice{std::string(bytes)};
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    EXPECT_TRUE(next());
    grpc::ByteBuffer received;
    call->Read(&received, nullptr);
    ASSERT_TRUE(next());
    grpc::Slice flat;
    ASSERT_TRUE(received.DumpToSingleSlice(&flat).ok());
    v1::EmbedStreamResponse answer;
    ASSERT_TRUE(answer.ParseFromArray(flat.begin(), static_cast<int>(flat.size())));
    EXPECT_EQ(answer.id(), bytes[0] == '\x0a' ? "abc" : "");
    EXPECT_EQ(answer.status().code(), 3);
  }
  call->WritesDone(nullptr);
  EXPECT_TRUE(next());
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(next());
  EXPECT_TRUE(status.ok());
}

TEST_F(EmbedStreamTest, ReadsAheadOnlyAsFarAsItsLimit) {
  config().limits.max_in_flight_per_stream = 3;
  config().scheduler.max_batch_items = 1;
  config().scheduler.max_queued_items = 5;
  config().limits.max_items_per_request = 1;
  Open();
  gate().Close();
  // Were they read ahead, one would find the queue more than half full and be refused: a stream is bulk.
  std::thread writer([this] {
    for (int i = 0; i < 50; ++i) Send(std::to_string(i), Texts({"w1"}));
    stream_->WritesDone();
  });
  gate().AwaitArrival();
  gate().Open();
  const auto answers = ReadAll();
  writer.join();
  EXPECT_TRUE(stream_->Finish().ok());
  EXPECT_EQ(answers.size(), 50u);
  for (const auto& [id, answer] : answers) EXPECT_EQ(answer.status().code(), 0) << id;
}

TEST_F(EmbedStreamTest, CancellationFreesTheWorker) {
  Open();
  gate().Close();
  for (int i = 0; i < 10; ++i) Send(std::to_string(i), Texts({"w1"}));
  gate().AwaitArrival();
  context_->TryCancel();
  EXPECT_TRUE(ReadAll().empty());
  EXPECT_EQ(stream_->Finish().error_code(), StatusCode::CANCELLED);
  // The gate is still closed: only work that was abandoned can have made room for this call.
  std::thread next([this] {
    v1::EmbedResponse response;
    EXPECT_TRUE(Embed(Texts({"b"}), &response).ok());
  });
  gate().AwaitArrival();
  gate().Open();
  next.join();
}

TEST_F(EmbedStreamTest, DrainAnswersWhatWasReadThenSendsTheClientAway) {
  Open();
  gate().Close();
  Send("read", Texts({"w5"}));
  gate().AwaitArrival();
  std::thread drain([this] { server().Drain(); });
  gate().Open();
  const auto answers = ReadAll();
  const grpc::Status status = stream_->Finish();
  drain.join();
  ASSERT_EQ(answers.count("read"), 1u);
  EXPECT_EQ(answers.at("read").response().results_size(), 1);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE) << status.error_message();
}

TEST_F(EmbedStreamTest, DrainEndsIdleStreamsAtOnce) {
  Open();
  Send("a", Texts({"w5"}));
  v1::EmbedStreamResponse answer;
  ASSERT_TRUE(stream_->Read(&answer));
  server().Drain();  // its timeout is 30 s; the test would show if it waited for the client
  EXPECT_FALSE(stream_->Read(&answer));
  EXPECT_EQ(stream_->Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(EmbedStreamTest, AFullQueueRefusesNewStreams) {
  config().scheduler.max_queued_items = 4;
  config().limits.max_items_per_request = 4;
  config().scheduler.max_batch_items = 1;
  StartServer();
  gate().Close();
  std::thread busy([this] {
    v1::EmbedResponse response;
    EXPECT_TRUE(Embed(Texts({"a", "b", "c", "d"}), &response).ok());
  });
  gate().AwaitArrival();  // one runs, three of four wait
  context_ = Context();
  stream_ = stub().EmbedStream(context_.get());
  EXPECT_TRUE(ReadAll().empty());
  const grpc::Status refused = stream_->Finish();
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), ::testing::HasSubstr("new streams"));
  EXPECT_EQ(context_->GetServerTrailingMetadata().count("grpc-retry-pushback-ms"), 1u);
  gate().Open();
  busy.join();
}

TEST_F(EmbedStreamTest, RequestsAreBulkUnlessTheySayOtherwise) {
  config().scheduler.max_queued_items = 4;
  config().limits.max_items_per_request = 4;
  config().scheduler.max_batch_items = 1;
  Open();
  // The stream has begun on the server, too, when its first request has been answered; later the queue would refuse it.
  Send("first", Texts({"w7"}));
  v1::EmbedStreamResponse answer;
  ASSERT_TRUE(stream_->Read(&answer));
  gate().Close();
  std::thread busy([this] {
    v1::EmbedResponse response;
    EXPECT_TRUE(Embed(Texts({"a", "b", "c"}), &response).ok());
  });
  gate().AwaitArrival();  // half of the queue is full
  v1::EmbedRequest interactive = Texts({"w7"});
  interactive.set_service_class(v1::SERVICE_CLASS_INTERACTIVE);
  Send("bulk", Texts({"w7"}));
  ASSERT_TRUE(stream_->Read(&answer));
  EXPECT_EQ(answer.id(), "bulk");
  EXPECT_EQ(answer.status().code(), static_cast<int>(StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_GT(answer.retry_after_ms(), 0);
  Send("interactive", interactive);
  stream_->WritesDone();
  gate().Open();
  const auto answers = ReadAll();
  busy.join();
  EXPECT_EQ(answers.at("interactive").status().code(), 0) << answers.at("interactive").status().message();
}

}  // namespace
}  // namespace attendant::testing
