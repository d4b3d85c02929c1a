// The same texts through every door give vectors of the same bytes. With a real, tiny model.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "attendant/v1/embedding.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/server.h"
#include "tei/v1/tei.grpc.pb.h"
#include "tests/testing/http_client.h"

namespace attendant::testing {
namespace {

using nlohmann::json;

class SameBytesTest : public ::testing::Test {
 protected:
  SameBytesTest() {
    ServerConfig config;
    config.grpc_address = "127.0.0.1:0";
    config.http.address = "127.0.0.1:0";
    config.metrics_address.clear();
    config.threads = 2;
    config.models.specs = {{.name = "tiny", .directory = ATTENDANT_TESTDATA "/models/tiny-mean"}};
    auto server = Server::Start(config);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ =
        grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->grpc_port()), grpc::InsecureChannelCredentials());
    for (int i = 0; i < 50; ++i) {
      std::string text = "text " + std::to_string(i) + " of the fifty";
      for (int word = 0; word < i % 9; ++word) text += " and a few words more";
      texts_.push_back(text);
    }
  }

  // Rows one after another, as float32.
  template <typename Values>
  static std::string Bytes(const Values& values) {
    return std::string(reinterpret_cast<const char*>(values.data()),
                       static_cast<size_t>(values.size()) * sizeof(float));
  }

  std::vector<std::string> Native(v1::Output output) {
    v1::EmbedRequest request;
    for (const std::string& text : texts_) request.add_items()->set_text(text);
    request.mutable_options()->set_output(output);
    v1::EmbedResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(v1::EmbeddingService::NewStub(channel_)->Embed(&context, request, &response).ok());
    std::vector<std::string> rows;
    for (const auto& result : response.results()) rows.push_back(Bytes(result.embedding().values()));
    return rows;
  }

  // Typed: as tensors in the message's lists; else raw.
  inference::ModelInferResponse Infer(const std::string& output, bool typed) {
    inference::ModelInferRequest request;
    auto* input = request.add_inputs();
    input->set_name("text");
    input->set_datatype("BYTES");
    input->add_shape(static_cast<int64_t>(texts_.size()));
    std::string raw;
    for (const std::string& text : texts_) {
      const auto size = static_cast<uint32_t>(text.size());
      if (typed) input->mutable_contents()->add_bytes_contents(text);
      raw.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(text);
    }
    if (!typed) request.add_raw_input_contents(raw);
    request.add_outputs()->set_name(output);
    inference::ModelInferResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(inference::GRPCInferenceService::NewStub(channel_)->ModelInfer(&context, request, &response).ok());
    return response;
  }

  json Post(const std::string& path, const json& request) {
    const std::string body = request.dump();
    HttpConnection connection("127.0.0.1", server_->http_port());
    // HTTP/1.0: the answer comes whole, with its length.
    connection.Send("POST " + path + " HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    const std::string answer = connection.ReadAnswer();
    EXPECT_EQ(answer.substr(0, 12), "HTTP/1.1 200") << answer.substr(0, 1000);
    return json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
  }

  // Numbers as a client in Python reads them: by way of double.
  static std::string BytesOf(const json& list) {
    std::vector<float> values;
    for (const json& value : list) values.push_back(static_cast<float>(value.get<double>()));
    return Bytes(values);
  }

  static std::string Decoded(const json& base64) {
    std::string bytes;
    EXPECT_TRUE(absl::Base64Unescape(base64.get<std::string>(), &bytes));
    return bytes;
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::vector<std::string> texts_;
};

TEST_F(SameBytesTest, Pooled) {
  const auto native = Native(v1::OUTPUT_POOLED);
  ASSERT_EQ(native.size(), texts_.size());
  std::string all;
  const auto tei = tei::v1::Embed::NewStub(channel_);
  grpc::ClientContext stream_context;
  const auto stream = tei->EmbedStream(&stream_context);
  for (size_t i = 0; i < texts_.size(); ++i) {
    ASSERT_FALSE(native[i].empty());
    all += native[i];
    tei::v1::EmbedRequest request;
    request.set_inputs(texts_[i]);
    request.set_truncate(true);
    tei::v1::EmbedResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(tei->Embed(&context, request, &response).ok());
    EXPECT_EQ(Bytes(response.embeddings()), native[i]) << i;
    ASSERT_TRUE(stream->Write(request));
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(Bytes(response.embeddings()), native[i]) << i;
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(Infer("sentence_embedding", false).raw_output_contents(0), all);
  EXPECT_EQ(Bytes(Infer("sentence_embedding", true).outputs(0).contents().fp32_contents()), all);
}

TEST_F(SameBytesTest, PerToken) {
  const auto native = Native(v1::OUTPUT_TOKENS);
  const auto tei = tei::v1::Embed::NewStub(channel_);
  const inference::ModelInferResponse inferred = Infer("last_hidden_state", false);
  const size_t row_bytes = inferred.raw_output_contents(0).size() / texts_.size();
  for (size_t i = 0; i < texts_.size(); ++i) {
    tei::v1::EmbedAllRequest request;
    request.set_inputs(texts_[i]);
    request.set_truncate(true);
    tei::v1::EmbedAllResponse response;
    grpc::ClientContext context;
    ASSERT_TRUE(tei->EmbedAll(&context, request, &response).ok());
    std::string rows;
    for (const auto& token : response.token_embeddings()) rows += Bytes(token.embeddings());
    EXPECT_EQ(rows, native[i]) << i;
    EXPECT_EQ(inferred.raw_output_contents(0).substr(i * row_bytes, native[i].size()), native[i]) << i;
  }
}

TEST_F(SameBytesTest, OverHttp) {
  const auto native = Native(v1::OUTPUT_POOLED);
  const json texts(texts_);
  const json floats = Post("/v1/embeddings", {{"input", texts}})["data"];
  const json base64 = Post("/v1/embeddings", {{"input", texts}, {"encoding_format", "base64"}})["data"];
  const json tei = Post("/embed", {{"inputs", texts}});
  const json cohere = Post("/v2/embed", {{"texts", texts}, {"embedding_types", {"float", "base64"}}})["embeddings"];
  json items = json::array();
  for (const std::string& text : texts_) items.push_back({{"text", text}});
  const json messages = Post("/attendant/v1/Embed", {{"items", items}})["results"];
  for (size_t i = 0; i < texts_.size(); ++i) {
    EXPECT_EQ(BytesOf(floats[i]["embedding"]), native[i]) << i;
    EXPECT_EQ(Decoded(base64[i]["embedding"]), native[i]) << i;
    EXPECT_EQ(BytesOf(tei[i]), native[i]) << i;
    EXPECT_EQ(BytesOf(cohere["float"][i]), native[i]) << i;
    EXPECT_EQ(Decoded(cohere["base64"][i]), native[i]) << i;
    EXPECT_EQ(BytesOf(messages[i]["embedding"]["values"]), native[i]) << i;
  }
}

TEST_F(SameBytesTest, PerTokenOverHttp) {
  const auto native = Native(v1::OUTPUT_TOKENS);
  const json all = Post("/embed_all", {{"inputs", json(texts_)}});
  for (size_t i = 0; i < texts_.size(); ++i) {
    std::string rows;
    for (const json& token : all[i]) rows += BytesOf(token);
    EXPECT_EQ(rows, native[i]) << i;
  }
}

TEST_F(SameBytesTest, TheIdsOfATextGiveItsVector) {
  tei::v1::EncodeRequest encode;
  encode.set_inputs(texts_[0]);
  encode.set_add_special_tokens(true);
  tei::v1::EncodeResponse tokens;
  grpc::ClientContext tokenize_context;
  ASSERT_TRUE(tei::v1::Tokenize::NewStub(channel_)->Tokenize(&tokenize_context, encode, &tokens).ok());
  inference::ModelInferRequest request;
  for (const char* name : {"input_ids", "attention_mask"}) {
    auto* input = request.add_inputs();
    input->set_name(name);
    input->set_datatype("INT64");
    input->add_shape(1);
    input->add_shape(tokens.tokens_size() + 3);
    const bool ids = std::string(name) == "input_ids";
    for (const auto& token : tokens.tokens()) input->mutable_contents()->add_int64_contents(ids ? token.id() : 1);
    for (int pad = 0; pad < 3; ++pad) input->mutable_contents()->add_int64_contents(0);
  }
  inference::ModelInferResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(inference::GRPCInferenceService::NewStub(channel_)->ModelInfer(&context, request, &response).ok());
  EXPECT_EQ(Bytes(response.outputs(0).contents().fp32_contents()), Native(v1::OUTPUT_POOLED)[0]);
}

TEST_F(SameBytesTest, DecodedIdsAreTheText) {
  const auto tokenize = tei::v1::Tokenize::NewStub(channel_);
  tei::v1::EncodeRequest encode;
  encode.set_inputs("and a, and a.");
  tei::v1::EncodeResponse tokens;
  grpc::ClientContext context;
  ASSERT_TRUE(tokenize->Tokenize(&context, encode, &tokens).ok());
  tei::v1::DecodeRequest decode;
  std::string pieces;
  for (const auto& token : tokens.tokens()) {
    decode.add_ids(token.id());
    pieces += token.text();
    EXPECT_EQ(encode.inputs().substr(token.start(), token.stop() - token.start()), token.text());
  }
  EXPECT_EQ(pieces, "anda,anda.");
  tei::v1::DecodeResponse text;
  grpc::ClientContext decode_context;
  ASSERT_TRUE(tokenize->Decode(&decode_context, decode, &text).ok());
  EXPECT_EQ(text.text(), encode.inputs());
}

}  // namespace
}  // namespace attendant::testing
