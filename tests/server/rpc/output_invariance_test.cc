// Every form of output on a real model: the bytes of an item's result are the same alone, among others, in another
// order, and from the cache.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "attendant/v1/embedding.grpc.pb.h"
#include "server/server.h"

namespace attendant::testing {
namespace {

// Of EmbedOptions.
constexpr const char* kForms[] = {
    "",
    "output: OUTPUT_TOKENS",
    "additional_outputs: OUTPUT_TOKENS attention {}",
    "attention { layers: 1 head_reduction: HEAD_REDUCTION_MEAN query_rows: 0 }",
    "encoding: ENCODING_FLOAT32",
    "encoding: ENCODING_FLOAT16 normalize: false",
    "encoding: ENCODING_INT8",
    "encoding: ENCODING_UINT8 dimensions: 13 allow_untrained_dimensions: true",
    "encoding: ENCODING_BINARY pooling: POOLING_CLS pooling: POOLING_MAX",
    "encoding: ENCODING_UBINARY dimensions: 9 allow_untrained_dimensions: true",
    "output: OUTPUT_SPANS additional_outputs: OUTPUT_POOLED dimensions: 5 allow_untrained_dimensions: true",
    "truncation: TRUNCATION_WINDOW window { size: 12 overlap: 3 }",
    "truncation: TRUNCATION_WINDOW window { size: 9 each: true } encoding: ENCODING_INT8",
};

class OutputInvarianceTest : public ::testing::TestWithParam<const char*> {
 protected:
  void Start(const SharingOptions& sharing) {
    ServerConfig config;
    config.grpc_address = "127.0.0.1:0";
    config.metrics_address.clear();
    config.threads = 2;
    config.sharing = sharing;
    config.models.specs = {{.name = "tiny", .directory = ATTENDANT_TESTDATA "/models/tiny-mean"}};
    auto server = Server::Start(config);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::EmbeddingService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->grpc_port()), grpc::InsecureChannelCredentials()));
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(GetParam(), &options_));
    const char* const words[] = {"the", "cat", "sits", "on", "a", "small", "red", "mat", "by", "water"};
    for (size_t i = 0; i < 12; ++i) {
      std::string text = words[i % 10];
      for (size_t k = 0; k < 3 * i; ++k) text += std::string(" ") + words[(i * 7 + k * 3) % 10];
      texts_.push_back(text);
    }
  }

  // In this order; each result's bytes.
  std::vector<std::string> Embed(const std::vector<size_t>& order) {
    v1::EmbedRequest request;
    *request.mutable_options() = options_;
    for (const size_t i : order) {
      v1::Item* item = request.add_items();
      item->set_text(texts_[i]);
      if (options_.output() != v1::OUTPUT_SPANS) continue;
      item->add_spans()->set_end(1);
      v1::Span* all = item->add_spans();
      all->set_end(static_cast<int32_t>(std::min<size_t>(texts_[i].size(), 40)));
    }
    v1::EmbedResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->Embed(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> results;
    for (const v1::EmbedResult& result : response.results()) {
      EXPECT_FALSE(result.has_status()) << result.status().message();
      results.push_back(result.SerializeAsString());
    }
    return results;
  }

  void ExpectTheSameBytes() {
    std::vector<size_t> forwards, backwards;
    for (size_t i = 0; i < texts_.size(); ++i) forwards.push_back(i);
    backwards.assign(forwards.rbegin(), forwards.rend());
    const auto together = Embed(forwards);
    const auto reversed = Embed(backwards);
    ASSERT_EQ(together.size(), texts_.size());
    ASSERT_EQ(reversed.size(), texts_.size());
    for (size_t i = 0; i < texts_.size(); ++i) {
      EXPECT_EQ(Embed({i})[0], together[i]) << texts_[i];
      EXPECT_EQ(reversed[texts_.size() - 1 - i], together[i]) << texts_[i];
      EXPECT_GT(together[i].size(), 2u);
    }
    const auto twice = Embed({3, 5, 3});
    EXPECT_EQ(twice[0], together[3]);
    EXPECT_EQ(twice[2], together[3]);
  }

  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::EmbeddingService::Stub> stub_;
  v1::EmbedOptions options_;
  std::vector<std::string> texts_;
};

TEST_P(OutputInvarianceTest, ComputedEachTime) {
  Start({.join_identical = false});
  ExpectTheSameBytes();
}

TEST_P(OutputInvarianceTest, SharedAndCached) {
  Start({.join_identical = true, .cache_bytes = 1 << 20});
  ExpectTheSameBytes();
}

INSTANTIATE_TEST_SUITE_P(Forms, OutputInvarianceTest, ::testing::ValuesIn(kForms));

}  // namespace
}  // namespace attendant::testing
