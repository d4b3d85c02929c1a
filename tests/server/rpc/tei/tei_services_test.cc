// tei.v1 over a real connection, with a fake model. What differs from TEI, or is a defect there, is tested by name.
#include "server/rpc/tei/tei_services.h"

#include <gmock/gmock.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tei/v1/tei.grpc.pb.h"
#include "tests/server/rpc/service_fixture.h"

namespace attendant::testing {
namespace {

using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TeiTest : public ServiceTest {
 protected:
  void Start() {
    StartServer();
    embed_ = tei::v1::Embed::NewStub(channel());
    tokenize_ = tei::v1::Tokenize::NewStub(channel());
  }

  static tei::v1::EmbedRequest Text(const std::string& text) {
    tei::v1::EmbedRequest request;
    request.set_inputs(text);
    return request;
  }
  grpc::Status Embed(const tei::v1::EmbedRequest& request) {
    return embed_->Embed(Context().get(), request, &response_);
  }

  std::unique_ptr<tei::v1::Embed::Stub> embed_;
  std::unique_ptr<tei::v1::Tokenize::Stub> tokenize_;
  tei::v1::EmbedResponse response_;
};

TEST_F(TeiTest, InfoDescribesTheDefaultModel) {
  Start();
  tei::v1::InfoResponse info;
  ASSERT_TRUE(tei::v1::Info::NewStub(channel())->Info(Context().get(), {}, &info).ok());
  EXPECT_EQ(info.model_id(), "fake");
  EXPECT_EQ(info.model_sha(), "f00d");
  EXPECT_EQ(info.model_dtype(), "fp32");
  EXPECT_EQ(info.model_type(), tei::v1::MODEL_TYPE_EMBEDDING);
  EXPECT_EQ(info.max_input_length(), static_cast<uint32_t>(kFakeMaxTokens));
  EXPECT_EQ(info.max_client_batch_size(), 1024u);
  EXPECT_EQ(info.max_concurrent_requests(), 16384u);
  EXPECT_EQ(info.max_batch_tokens(), 512u);
  EXPECT_EQ(info.tokenization_workers(), 2u);
  EXPECT_FALSE(info.version().empty());
}

TEST_F(TeiTest, EmbedAnswersWithMetadataAndHeaders) {
  Start();
  const auto context = Context();
  ASSERT_TRUE(embed_->Embed(context.get(), Text("w1 w2 \u00fcber"), &response_).ok());
  EXPECT_THAT(response_.embeddings(), ElementsAre(3, 8, 0, 0));
  EXPECT_EQ(response_.metadata().compute_tokens(), 3u);
  EXPECT_EQ(response_.metadata().compute_chars(), 10u);
  EXPECT_GT(response_.metadata().total_time_ns(), 0u);
  const auto& headers = context->GetServerInitialMetadata();
  for (const char* name : {"x-compute-type", "x-compute-time", "x-compute-characters", "x-compute-tokens",
                           "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time"}) {
    EXPECT_EQ(headers.count(name), 1u) << name;
  }
  EXPECT_EQ(headers.find("x-compute-tokens")->second, "3");
}

TEST_F(TeiTest, DimensionsCutThenNormalise) {
  Start();
  auto request = Text("w1 w2 w1");  // [3, 4, 0, 0]
  request.set_dimensions(2);
  ASSERT_TRUE(Embed(request).ok());
  EXPECT_THAT(response_.embeddings(), ElementsAre(::testing::FloatEq(0.6f), ::testing::FloatEq(0.8f)));
  request.set_normalize(false);
  ASSERT_TRUE(Embed(request).ok());
  EXPECT_THAT(response_.embeddings(), ElementsAre(3, 4));
  for (const uint32_t wrong : {0u, 3u, 5u, 4'000'000'000u}) {
    request.set_dimensions(wrong);
    const grpc::Status status = Embed(request);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(status), "dimensions");
  }
}

TEST_F(TeiTest, ALongTextIsAnErrorUnlessTruncated) {
  Start();
  std::string text;
  for (int i = 0; i < kFakeMaxTokens + 1; ++i) text += "w1 ";
  auto request = Text(text);
  const grpc::Status status = Embed(request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "inputs");
  request.set_truncate(true);
  for (const auto direction : {tei::v1::TRUNCATION_DIRECTION_RIGHT, tei::v1::TRUNCATION_DIRECTION_LEFT}) {
    request.set_truncation_direction(direction);
    ASSERT_TRUE(Embed(request).ok());
    EXPECT_EQ(response_.embeddings(0), kFakeMaxTokens);
  }
}

TEST_F(TeiTest, UnknownEnumValuesAreRefusedInEveryMethodThatHasThem) {
  Start();
  auto request = Text("w1");
  request.set_truncation_direction(static_cast<tei::v1::TruncationDirection>(7));
  const grpc::Status status = Embed(request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "truncation_direction");
  tei::v1::EmbedAllRequest all;
  all.set_inputs("w1");
  all.set_truncation_direction(static_cast<tei::v1::TruncationDirection>(-1));
  tei::v1::EmbedAllResponse all_response;
  EXPECT_EQ(embed_->EmbedAll(Context().get(), all, &all_response).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(Embed(Text("w1")).ok());  // it lives
}

TEST_F(TeiTest, PromptsAreKnownByName) {
  Start();
  auto request = Text("w5");
  request.set_prompt_name("query");
  ASSERT_TRUE(Embed(request).ok());
  EXPECT_THAT(response_.embeddings(), ElementsAre(3, 8, 0, 0));
  request.set_prompt_name("other");
  const grpc::Status status = Embed(request);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "prompt_name");
}

TEST_F(TeiTest, WhatFailsHasTheItemsCode) {
  Start();
  EXPECT_EQ(Embed(Text("w666")).error_code(), StatusCode::INTERNAL);
  const grpc::Status blank = Embed(Text(" "));
  EXPECT_EQ(blank.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(blank.error_message(), "inputs: the text is empty or blank");
}

TEST_F(TeiTest, EmbedAllGivesAVectorPerToken) {
  Start();
  tei::v1::EmbedAllRequest request;
  request.set_inputs("w1 w2");
  tei::v1::EmbedAllResponse response;
  ASSERT_TRUE(embed_->EmbedAll(Context().get(), request, &response).ok());
  ASSERT_EQ(response.token_embeddings_size(), 2);
  EXPECT_THAT(response.token_embeddings(1).embeddings(), ElementsAre(2, 3, 0, 0));
  EXPECT_EQ(response.metadata().compute_tokens(), 2u);
}

TEST_F(TeiTest, AStreamIsAnsweredInOrder) {
  config().threads = 4;
  Start();
  const auto context = Context();
  const auto stream = embed_->EmbedStream(context.get());
  constexpr int kRequests = 200;
  for (int i = 0; i < kRequests; ++i) ASSERT_TRUE(stream->Write(Text("w" + std::to_string(i % 600))));
  stream->WritesDone();
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(stream->Read(&response_)) << i;
    EXPECT_EQ(response_.embeddings(1), i % 600);
  }
  EXPECT_FALSE(stream->Read(&response_));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(TeiTest, AStreamEndsWithItsFirstFailureAfterTheAnswersBefore) {
  Start();
  const auto context = Context();
  const auto stream = embed_->EmbedStream(context.get());
  for (const char* text : {"w1", "w2", "w666", "w3"}) stream->Write(Text(text));
  stream->WritesDone();
  ASSERT_TRUE(stream->Read(&response_));
  ASSERT_TRUE(stream->Read(&response_));
  EXPECT_EQ(response_.embeddings(1), 2);
  EXPECT_FALSE(stream->Read(&response_));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::INTERNAL);
}

TEST_F(TeiTest, CancellingAStreamEndsItsWork) {
  Start();
  gate().Close();
  const auto context = Context();
  const auto stream = embed_->EmbedStream(context.get());
  for (const char* text : {"w1", "w2", "w3"}) stream->Write(Text(text));
  gate().AwaitArrival();
  context->TryCancel();
  EXPECT_FALSE(stream->Read(&response_));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  // The gate is still closed: the batch that waits there is given up by itself.
  server().Drain();
}

TEST_F(TeiTest, DrainEndsIdleStreamsAtOnce) {
  Start();
  const auto context = Context();
  const auto stream = embed_->EmbedStream(context.get());
  ASSERT_TRUE(stream->Write(Text("w1")));
  ASSERT_TRUE(stream->Read(&response_));
  server().Drain();  // its timeout is 30 s; the test would show if it waited for the client
  EXPECT_FALSE(stream->Read(&response_));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(TeiTest, EmptyStreamsEndWell) {
  Start();
  const auto context = Context();
  const auto embed = embed_->EmbedStream(context.get());
  embed->WritesDone();
  EXPECT_FALSE(embed->Read(&response_));
  EXPECT_TRUE(embed->Finish().ok());
  const auto rerank_context = Context();
  tei::v1::RerankResponse ranks;
  const auto rerank_stub = tei::v1::Rerank::NewStub(channel());
  const auto rerank = rerank_stub->RerankStream(rerank_context.get(), &ranks);
  rerank->WritesDone();
  EXPECT_EQ(rerank->Finish().error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(TeiTest, TokenizeMayLeaveOutSpecialTokens) {
  Start();
  tei::v1::EncodeRequest request;
  request.set_inputs("w0 w7");
  tei::v1::EncodeResponse response;
  ASSERT_TRUE(tokenize_->Tokenize(Context().get(), request, &response).ok());
  ASSERT_EQ(response.tokens_size(), 1);
  EXPECT_EQ(response.tokens(0).id(), 7u);
  EXPECT_TRUE(response.tokens(0).has_start());
  request.set_add_special_tokens(true);
  ASSERT_TRUE(tokenize_->Tokenize(Context().get(), request, &response).ok());
  ASSERT_EQ(response.tokens_size(), 2);
  EXPECT_TRUE(response.tokens(0).special());
  EXPECT_EQ(response.tokens(0).text(), "[CLS]");
  EXPECT_FALSE(response.tokens(0).has_start());
}

TEST_F(TeiTest, DecodeSkipsSpecialTokensIfAsked) {
  Start();
  tei::v1::DecodeRequest request;
  for (const uint32_t id : {0u, 5u, 6u}) request.add_ids(id);
  tei::v1::DecodeResponse response;
  ASSERT_TRUE(tokenize_->Decode(Context().get(), request, &response).ok());
  EXPECT_EQ(response.text(), "[CLS] word word");
  request.set_skip_special_tokens(true);
  ASSERT_TRUE(tokenize_->Decode(Context().get(), request, &response).ok());
  EXPECT_EQ(response.text(), "word word");
  request.add_ids(1000);
  const grpc::Status status = tokenize_->Decode(Context().get(), request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "ids[3]");
}

TEST_F(TeiTest, WhatNeedsAHeadIsUnimplementedAndNotServing) {
  Start();
  tei::v1::PredictResponse prediction;
  const grpc::Status status = tei::v1::Predict::NewStub(channel())->Predict(Context().get(), {}, &prediction);
  EXPECT_EQ(status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(status.error_message(), HasSubstr("classification"));
  tei::v1::EmbedSparseResponse sparse;
  EXPECT_EQ(embed_->EmbedSparse(Context().get(), {}, &sparse).error_code(), StatusCode::UNIMPLEMENTED);
  using grpc::health::v1::HealthCheckRequest, grpc::health::v1::HealthCheckResponse;
  const auto health = grpc::health::v1::Health::NewStub(channel());
  for (const auto& [name, expected] : std::map<std::string, HealthCheckResponse::ServingStatus>{
           {"", HealthCheckResponse::SERVING},
           {"tei.v1.Info", HealthCheckResponse::SERVING},
           {"tei.v1.Embed", HealthCheckResponse::SERVING},
           {"tei.v1.Tokenize", HealthCheckResponse::SERVING},
           {"inference.GRPCInferenceService", HealthCheckResponse::SERVING},
           {"tei.v1.Predict", HealthCheckResponse::NOT_SERVING},
           {"tei.v1.Rerank", HealthCheckResponse::NOT_SERVING}}) {
    HealthCheckRequest request;
    request.set_service(name);
    HealthCheckResponse response;
    ASSERT_TRUE(health->Check(Context().get(), request, &response).ok()) << name;
    EXPECT_EQ(response.status(), expected) << name;
    const auto context = Context();
    const auto watch = health->Watch(context.get(), request);
    ASSERT_TRUE(watch->Read(&response)) << name;
    EXPECT_EQ(response.status(), expected) << name;
    context->TryCancel();
  }
}

}  // namespace
}  // namespace attendant::testing
