// inference.GRPCInferenceService over a real connection, with a fake model.
#include "server/rpc/inference/inference_service.h"

#include <gmock/gmock.h>

#include <cstring>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/server/rpc/service_fixture.h"

namespace attendant::testing {
namespace {

using grpc::StatusCode;
using inference::ModelInferRequest;
using inference::ModelInferResponse;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Floats(const std::string& raw) {
  std::vector<float> values(raw.size() / sizeof(float));
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

class InferenceTest : public ServiceTest {
 protected:
  void Start() {
    StartServer();
    inference_ = inference::GRPCInferenceService::NewStub(channel());
  }

  static ModelInferRequest TextRows(const std::vector<std::string>& texts) {
    ModelInferRequest request;
    auto* input = request.add_inputs();
    input->set_name("text");
    input->set_datatype("BYTES");
    input->add_shape(static_cast<int64_t>(texts.size()));
    std::string* raw = request.add_raw_input_contents();
    for (const std::string& text : texts) {
      const auto size = static_cast<uint32_t>(text.size());
      raw->append(reinterpret_cast<const char*>(&size), sizeof(size)).append(text);
    }
    return request;
  }
  // Typed.
  static ModelInferRequest Ids(const std::vector<int64_t>& ids, const std::vector<int64_t>& mask, int64_t rows) {
    ModelInferRequest request;
    for (const auto& [name, values] : {std::pair("input_ids", ids), std::pair("attention_mask", mask)}) {
      auto* input = request.add_inputs();
      input->set_name(name);
      input->set_datatype("INT64");
      input->add_shape(rows);
      input->add_shape(static_cast<int64_t>(ids.size()) / rows);
      input->mutable_contents()->mutable_int64_contents()->Add(values.begin(), values.end());
    }
    return request;
  }
  grpc::Status Infer(const ModelInferRequest& request) {
    return inference_->ModelInfer(Context().get(), request, &response_);
  }

  std::unique_ptr<inference::GRPCInferenceService::Stub> inference_;
  ModelInferResponse response_;
};

TEST_F(InferenceTest, TellsAboutServerAndModels) {
  Start();
  inference::ServerLiveResponse live;
  ASSERT_TRUE(inference_->ServerLive(Context().get(), {}, &live).ok());
  EXPECT_TRUE(live.live());
  inference::ServerReadyResponse ready;
  ASSERT_TRUE(inference_->ServerReady(Context().get(), {}, &ready).ok());
  EXPECT_TRUE(ready.ready());
  inference::ServerMetadataResponse server;
  ASSERT_TRUE(inference_->ServerMetadata(Context().get(), {}, &server).ok());
  EXPECT_EQ(server.name(), "attendant");
  inference::ModelReadyRequest which;
  inference::ModelReadyResponse model_ready;
  which.set_name("fake");
  ASSERT_TRUE(inference_->ModelReady(Context().get(), which, &model_ready).ok());
  EXPECT_TRUE(model_ready.ready());
  which.set_name("other");
  ASSERT_TRUE(inference_->ModelReady(Context().get(), which, &model_ready).ok());
  EXPECT_FALSE(model_ready.ready());
  inference::RepositoryIndexResponse index;
  ASSERT_TRUE(inference_->RepositoryIndex(Context().get(), {}, &index).ok());
  ASSERT_EQ(index.models_size(), 1);
  EXPECT_EQ(index.models(0).state(), "READY");
}

TEST_F(InferenceTest, DescribesTensors) {
  Start();
  inference::ModelMetadataRequest which;
  which.set_name("fake");
  inference::ModelMetadataResponse metadata;
  ASSERT_TRUE(inference_->ModelMetadata(Context().get(), which, &metadata).ok());
  ASSERT_EQ(metadata.outputs_size(), 4);
  EXPECT_THAT(metadata.outputs(0).shape(), ElementsAre(-1, 4));
  EXPECT_THAT(metadata.outputs(2).shape(), ElementsAre(-1, 2, 3, -1, -1));
  inference::ModelConfigRequest config_of;
  inference::ModelConfigResponse config;
  ASSERT_TRUE(inference_->ModelConfig(Context().get(), config_of, &config).ok());
  EXPECT_EQ(config.config().max_batch_size(), 1024);
  EXPECT_THAT(config.config().output(0).dims(), ElementsAre(4));
  which.set_name("other");
  EXPECT_EQ(inference_->ModelMetadata(Context().get(), which, &metadata).error_code(), StatusCode::NOT_FOUND);
  which.set_name("fake");
  which.set_version("3");
  EXPECT_EQ(inference_->ModelMetadata(Context().get(), which, &metadata).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(InferenceTest, StatisticsCountItems) {
  Start();
  ASSERT_TRUE(Infer(TextRows({"w1", "w2", "w3"})).ok());
  inference::ModelStatisticsResponse statistics;
  ASSERT_TRUE(inference_->ModelStatistics(Context().get(), {}, &statistics).ok());
  ASSERT_EQ(statistics.model_stats_size(), 1);
  EXPECT_EQ(statistics.model_stats(0).inference_count(), 3u);
  EXPECT_GE(statistics.model_stats(0).execution_count(), 1u);
}

TEST_F(InferenceTest, TextsInRawVectorsOut) {
  Start();
  auto request = TextRows({"w1 w2", "w5"});
  request.set_id("mine");
  request.set_model_name("fake");
  ASSERT_TRUE(Infer(request).ok());
  EXPECT_EQ(response_.id(), "mine");
  EXPECT_EQ(response_.model_name(), "fake");
  EXPECT_EQ(response_.model_version(), "1");
  EXPECT_EQ(response_.parameters().at("model_fingerprint").string_param(), "f00d");
  ASSERT_EQ(response_.outputs_size(), 1);
  EXPECT_EQ(response_.outputs(0).name(), "sentence_embedding");
  EXPECT_EQ(response_.outputs(0).datatype(), "FP32");
  EXPECT_THAT(response_.outputs(0).shape(), ElementsAre(2, 4));
  EXPECT_FALSE(response_.outputs(0).has_contents());
  ASSERT_EQ(response_.raw_output_contents_size(), 1);
  EXPECT_THAT(Floats(response_.raw_output_contents(0)), ElementsAre(2, 3, 0, 0, 1, 5, 0, 0));
}

TEST_F(InferenceTest, PaddedIdsInTypedTensorsOut) {
  Start();
  auto request = Ids({5, 6, 7, 0, 0, 0}, {1, 1, 1, 0, 0, 0}, 2);
  EXPECT_EQ(Infer(request).error_code(), StatusCode::INVALID_ARGUMENT);  // an empty row
  request = Ids({5, 6, 7, 9}, {1, 1, 1, 0}, 2);
  for (const char* output : {"last_hidden_state", "sentence_embedding", "attention_mask"}) {
    request.add_outputs()->set_name(output);
  }
  ASSERT_TRUE(Infer(request).ok());
  EXPECT_TRUE(response_.raw_output_contents().empty());
  ASSERT_EQ(response_.outputs_size(), 3);
  EXPECT_THAT(response_.outputs(0).shape(), ElementsAre(2, 2, 4));
  EXPECT_THAT(response_.outputs(0).contents().fp32_contents(),
              ElementsAre(2, 11, 0, 0, 2, 11, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(response_.outputs(1).contents().fp32_contents(), ElementsAre(2, 11, 0, 0, 1, 7, 0, 0));
  EXPECT_THAT(response_.outputs(2).contents().int64_contents(), ElementsAre(1, 1, 1, 0));
}

TEST_F(InferenceTest, AllOutputsComeFromOnePass) {
  Start();
  auto request = TextRows({"w1 w2", "w5"});
  for (const char* output : {"attentions", "sentence_embedding", "last_hidden_state"}) {
    request.add_outputs()->set_name(output);
  }
  ASSERT_TRUE(Infer(request).ok());
  ASSERT_EQ(response_.outputs_size(), 3);
  EXPECT_THAT(Floats(response_.raw_output_contents(1)), ElementsAre(2, 3, 0, 0, 1, 5, 0, 0));
  EXPECT_THAT(Floats(response_.raw_output_contents(2)), ElementsAre(2, 3, 0, 0, 2, 3, 0, 0, 1, 5, 0, 0, 0, 0, 0, 0));
  inference::ModelStatisticsResponse statistics;
  ASSERT_TRUE(inference_->ModelStatistics(Context().get(), {}, &statistics).ok());
  EXPECT_EQ(statistics.model_stats(0).inference_count(), 2u) << "each row once";
}

TEST_F(InferenceTest, AttentionsArePaddedRowByRow) {
  Start();
  auto request = TextRows({"w1 w2", "w5"});
  request.add_outputs()->set_name("attentions");
  ASSERT_TRUE(Infer(request).ok());
  EXPECT_THAT(response_.outputs(0).shape(), ElementsAre(2, 2, 3, 2, 2));
  // The fake's maps count up: 24 values of the first row, then 6 maps of one value.
  std::vector<float> expected;
  for (int i = 0; i < 24; ++i) expected.push_back(static_cast<float>(i));
  for (int i = 0; i < 6; ++i) expected.insert(expected.end(), {static_cast<float>(i), 0, 0, 0});
  EXPECT_EQ(Floats(response_.raw_output_contents(0)), expected);
}

TEST_F(InferenceTest, PaddedAnswersHaveTheLimitsOfOthers) {
  config().limits.max_attention_bytes = 2 * 3 * 2 * 2 * 4;  // one row of two tokens
  config().limits.max_message_bytes = config().limits.max_text_bytes = config().limits.max_prompt_bytes = 400;
  Start();
  auto maps = TextRows({"w1 w2"});
  maps.add_outputs()->set_name("attentions");
  EXPECT_TRUE(Infer(maps).ok());
  maps = TextRows({"w1", "w1 w2"});
  maps.add_outputs()->set_name("attentions");
  grpc::Status status = Infer(maps);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("--max-attention-bytes"));
  auto hidden = TextRows({"a", "b", "c", "d e f g h i j k"});  // 11 vectors, padded 32
  hidden.add_outputs()->set_name("last_hidden_state");
  status = Infer(hidden);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("--max-message-bytes"));
}

TEST_F(InferenceTest, DimensionsCutThenNormalise) {
  Start();
  auto request = TextRows({"w1 w2 w1"});
  (*request.mutable_parameters())["dimensions"].set_int64_param(2);
  ASSERT_TRUE(Infer(request).ok());
  EXPECT_THAT(Floats(response_.raw_output_contents(0)),
              ElementsAre(::testing::FloatEq(0.6f), ::testing::FloatEq(0.8f)));
  EXPECT_EQ(response_.parameters().count("untrained_dimensions"), 0u);
  for (const int64_t wrong : {int64_t{3}, int64_t{5}, int64_t{1} << 40}) {
    (*request.mutable_parameters())["dimensions"].set_int64_param(wrong);
    const grpc::Status status = Infer(request);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(status), "parameters[\"dimensions\"]");
  }
  (*request.mutable_parameters())["dimensions"].set_int64_param(3);
  (*request.mutable_parameters())["allow_untrained_dimensions"].set_bool_param(true);
  ASSERT_TRUE(Infer(request).ok());
  EXPECT_TRUE(response_.parameters().at("untrained_dimensions").bool_param());
}

TEST_F(InferenceTest, OneBadRowFailsTheRequestAndIsNamed) {
  Start();
  grpc::Status status = Infer(TextRows({"w1", " "}));
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "text row 1");
  status = Infer(Ids({1, 5000}, {1, 1}, 1));
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "input_ids row 0");
  EXPECT_EQ(Infer(TextRows({"w666"})).error_code(), StatusCode::INTERNAL);
  auto request = TextRows({"w1"});
  request.set_model_name("other");
  EXPECT_EQ(Infer(request).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(InferenceTest, TimeoutEndsTheCall) {
  Start();
  gate().Close();
  auto request = TextRows({"w1"});
  (*request.mutable_parameters())["timeout"].set_int64_param(50'000);
  EXPECT_EQ(Infer(request).error_code(), StatusCode::DEADLINE_EXCEEDED);
  gate().Open();
}

TEST_F(InferenceTest, AStreamAnswersFailuresAndGoesOn) {
  Start();
  const auto context = Context();
  const auto stream = inference_->ModelStreamInfer(context.get());
  int sent = 0;
  for (const char* text : {"w1", " ", "w3"}) {
    auto request = TextRows({text});
    request.set_id(std::to_string(sent++));
    ASSERT_TRUE(stream->Write(request));
  }
  auto last = TextRows({"w4"});
  (*last.mutable_parameters())["triton_enable_empty_final_response"].set_bool_param(true);
  ASSERT_TRUE(stream->Write(last));
  stream->WritesDone();
  inference::ModelStreamInferResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_THAT(Floats(answer.infer_response().raw_output_contents(0)), ElementsAre(1, 1, 0, 0));
  EXPECT_TRUE(answer.error_message().empty());
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.infer_response().id(), "1");
  EXPECT_THAT(answer.error_message(), HasSubstr("text row 0"));
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_EQ(answer.infer_response().id(), "2");
  ASSERT_TRUE(stream->Read(&answer));
  EXPECT_TRUE(answer.infer_response().parameters().at("triton_final_response").bool_param());
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(InferenceTest, DrainEndsIdleStreamsAtOnce) {
  Start();
  const auto context = Context();
  const auto stream = inference_->ModelStreamInfer(context.get());
  ASSERT_TRUE(stream->Write(TextRows({"w1"})));
  inference::ModelStreamInferResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  server().Drain();  // its timeout is 30 s; the test would show if it waited for the client
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_EQ(stream->Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(InferenceTest, WhatIsNotOfferedSaysWhatIs) {
  Start();
  inference::NotOffered none;
  const grpc::Status load = inference_->RepositoryModelLoad(Context().get(), none, &none);
  EXPECT_EQ(load.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(load.error_message(), HasSubstr("--admin-address"));
  EXPECT_EQ(inference_->CudaSharedMemoryRegister(Context().get(), none, &none).error_code(), StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace attendant::testing
