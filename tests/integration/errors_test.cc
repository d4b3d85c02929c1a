// Every error code that a caller can meet, with its machine-readable parts.
#include <algorithm>
#include <chrono>
#include <future>
#include <map>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ErrorsTest : public InProcessTest {
 protected:
  RawStatus Embed(const std::string& message) { return RawUnary(port(), "Embed", message).status; }
};

TEST_F(ErrorsTest, InvalidArgumentNamesTheField) {
  config_.limits.max_items_per_request = 4;
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const RawStatus none = Embed(EmbedMessage({}));
  EXPECT_EQ(none.code, absl::StatusCode::kInvalidArgument) << none.message;
  EXPECT_THAT(none.fields, ElementsAre("items"));
  const RawStatus many = Embed(EmbedMessage({"a", "b", "c", "d", "e"}));
  EXPECT_EQ(many.code, absl::StatusCode::kInvalidArgument) << many.message;
  EXPECT_THAT(many.fields, ElementsAre("items"));
  EXPECT_THAT(many.message, HasSubstr("--max-items-per-request"));
  const RawStatus pooling = Embed(EmbedMessageWithUnknownPooling());
  EXPECT_EQ(pooling.code, absl::StatusCode::kInvalidArgument) << pooling.message;
  EXPECT_THAT(pooling.fields, ElementsAre(HasSubstr("pooling")));
}

TEST_F(ErrorsTest, BytesThatAreNoMessageAreTheCallersMistake) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  for (const std::string& garbage :
       {std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f"), std::string("\x0a\xff\xff\xff\xff\x7f")}) {
    for (const char* method : {"Embed", "Tokenize", "GetAttention", "GetModel"}) {
      EXPECT_EQ(RawUnary(port(), method, garbage).status.code, absl::StatusCode::kInvalidArgument) << method;
    }
  }
  EXPECT_EQ(Embed(EmbedMessage({"still alive"})).code, absl::StatusCode::kOk);
}

TEST_F(ErrorsTest, NotFoundAndUnimplemented) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const RawStatus model = Embed(EmbedMessage({"a"}, "no-such-model"));
  EXPECT_EQ(model.code, absl::StatusCode::kNotFound);
  EXPECT_THAT(model.message, AllOf(HasSubstr("no-such-model"), HasSubstr("tiny-mean")));
  EXPECT_TRUE(absl::IsNotFound(client_->GetModel("other").status()));
  EXPECT_EQ(RawUnary(port(), "/attendant.v1.EmbeddingService/Fly", "").status.code, absl::StatusCode::kUnimplemented);
}

TEST_F(ErrorsTest, OversizeMessage) {
  config_.limits.max_message_bytes = 64 << 10;
  config_.limits.max_text_bytes = 32 << 10;
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const RawStatus status = Embed(EmbedMessage({std::string(1 << 20, 'x')}));
  EXPECT_EQ(status.code, absl::StatusCode::kResourceExhausted) << status.message;
  EXPECT_FALSE(status.retry_after.has_value());
  EXPECT_EQ(Embed(EmbedMessage({"still alive"})).code, absl::StatusCode::kOk);
}

TEST_F(ErrorsTest, OversizeText) {
  config_.limits.max_text_bytes = 100;
  config_.limits.max_prompt_bytes = 50;
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const auto reply = client_->Embed({std::string(101, 'x'), "fine"}, {});
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(absl::IsInvalidArgument(reply->results[0].status));
  EXPECT_THAT(std::string(reply->results[0].status.message()), HasSubstr("--max-text-bytes"));
  EXPECT_TRUE(reply->results[1].status.ok());
}

TEST_F(ErrorsTest, OverloadSaysWhenToComeBack) {
  config_.scheduler.max_queued_items = 2;
  config_.limits.max_items_per_request = 2;
  ASSERT_NO_FATAL_FAILURE(StartServer());
  gate_->CloseGate();
  const auto running = StartEmbed({"one"});
  gate_->WaitArrived(1);
  const auto queued = StartEmbed({"two", "three"});
  // The queue fills when the server gets to it; then everything more is refused.
  RawStatus refused;
  for (const auto until = std::chrono::steady_clock::now() + kLongEnough; std::chrono::steady_clock::now() < until;) {
    refused = RawUnary(port(), "Embed", EmbedMessage({"four"}), milliseconds(500)).status;
    if (refused.code == absl::StatusCode::kResourceExhausted) break;
  }
  EXPECT_EQ(refused.code, absl::StatusCode::kResourceExhausted) << refused.message;
  EXPECT_THAT(refused.message, HasSubstr("--max-queued-items"));
  ASSERT_TRUE(refused.retry_after.has_value());
  EXPECT_GE(*refused.retry_after, milliseconds(10));
  EXPECT_LE(*refused.retry_after, seconds(5));
  // A client that follows the hint gets through once there is room.
  auto patient = std::async(std::launch::async, [&] { return NewClient(50)->Embed({"five"}, {}).status(); });
  gate_->OpenGate();
  EXPECT_TRUE(patient.get().ok());
  EXPECT_EQ(CountResults(running->Read().value_or("")), 1);
  EXPECT_EQ(CountResults(queued->Read().value_or("")), 2);
}

TEST_F(ErrorsTest, WhatCanNeverFitIsNotWorthARetry) {
  config_.scheduler.max_queued_tokens = 10;
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const RawStatus status = Embed(EmbedMessage({"the old house was small", "the old house was small"}));
  EXPECT_TRUE(status.code == absl::StatusCode::kResourceExhausted || status.code == absl::StatusCode::kInvalidArgument)
      << status.message;
  EXPECT_THAT(status.message, HasSubstr("--max-queued-tokens"));
  EXPECT_FALSE(status.retry_after.has_value());
}

TEST_F(ErrorsTest, OverloadOnAStreamIsThatRequestsAlone) {
  config_.scheduler.max_queued_items = 1;
  config_.limits.max_items_per_request = 1;
  ASSERT_NO_FATAL_FAILURE(StartServer());
  gate_->CloseGate();
  const auto running = StartEmbed({"one"});
  gate_->WaitArrived(1);
  const auto stream = client_->OpenStream();
  const std::vector<std::string> ids = {"a", "b", "c"};
  const client::Item item = "text";
  size_t sent = 0;
  std::map<std::string, absl::Status> answers;
  const auto until = std::chrono::steady_clock::now() + kLongEnough;
  while (answers.size() < 2 && std::chrono::steady_clock::now() < until) {
    if (sent < ids.size() && stream->CanSend()) stream->Send(ids[sent++], {&item}, {});
    client::StreamEvent event = stream->Next(std::chrono::steady_clock::now() + milliseconds(100));
    ASSERT_NE(event.kind, client::StreamEvent::Kind::kClosed) << event.status;
    if (event.kind == client::StreamEvent::Kind::kResponse) answers[event.id] = event.status;
  }
  // One of the three waits in the queue; the others were refused, with a hint.
  for (const auto& [id, status] : answers) {
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_TRUE(client::RetryAfter(status).has_value());
  }
  gate_->OpenGate();
  while (answers.size() < 3 && std::chrono::steady_clock::now() < until) {
    client::StreamEvent event = stream->Next(until);
    ASSERT_NE(event.kind, client::StreamEvent::Kind::kClosed) << event.status;
    if (event.kind == client::StreamEvent::Kind::kResponse) answers[event.id] = event.status;
  }
  EXPECT_EQ(std::count_if(answers.begin(), answers.end(), [](const auto& a) { return a.second.ok(); }), 1);
}

TEST_F(ErrorsTest, AttentionOverItsByteBudget) {
  config_.limits.max_attention_bytes = 1024;
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const absl::Status status = client_->GetAttention("The cat sits on the mat.", {}).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("--max-attention-bytes"));
  EXPECT_FALSE(absl::IsInternal(status));
}

}  // namespace
}  // namespace attendant
