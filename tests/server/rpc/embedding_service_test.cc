#include "server/rpc/embedding_service.h"

#include <gmock/gmock.h>

#include <atomic>
#include <limits>
#include <mutex>
#include <thread>

#include "server/rpc/status_mapping.h"
#include "tests/server/rpc/service_fixture.h"

namespace attendant::testing {
namespace {

using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string TrailerOf(const grpc::ClientContext& context, const std::string& key) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto it = trailers.find(key);
  return it == trailers.end() ? "" : std::string(it->second.data(), it->second.size());
}

TEST_F(ServiceTest, EmbedAnswersInOrderWithFingerprintAndMetadata) {
  StartServer();
  v1::EmbedRequest request = Texts({"w1 w2 w3", "w10"});
  request.mutable_items()->Add()->mutable_tokens()->add_input_ids(7);
  request.set_include_metadata(true);
  v1::EmbedResponse response;
  const grpc::Status status = Embed(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.model(), "fake");
  EXPECT_EQ(response.model_fingerprint(), "f00d");
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_THAT(response.results(0).embedding().values(), ElementsAre(3, 6, 0, 0));
  EXPECT_THAT(response.results(0).embedding().shape(), ElementsAre(4));
  EXPECT_FALSE(response.results(0).has_status());
  EXPECT_EQ(response.results(0).tokens_used(), 3);
  EXPECT_THAT(response.results(1).embedding().values(), ElementsAre(1, 10, 0, 0));
  EXPECT_THAT(response.results(2).embedding().values(), ElementsAre(1, 7, 0, 0));
  EXPECT_GT(response.metadata().total_us(), 0);
  EXPECT_GE(response.metadata().batch_items(), 1);
  EXPECT_GE(response.metadata().batch_tokens(), 1);
}

TEST_F(ServiceTest, TokenOutputHasOneVectorPerToken) {
  StartServer();
  v1::EmbedRequest request = Texts({"w1 w2 w3"});
  request.mutable_options()->set_output(v1::OUTPUT_TOKENS);
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_THAT(response.results(0).embedding().shape(), ElementsAre(3, 4));
  EXPECT_EQ(response.results(0).embedding().values_size(), 12);
}

TEST_F(ServiceTest, OnePassAnswersSeveralOutputs) {
  StartServer();
  v1::EmbedRequest request = Texts({"w1 w2 w3", "w5", " "});
  v1::EmbedOptions* options = request.mutable_options();
  options->add_additional_outputs(v1::OUTPUT_TOKENS);
  options->mutable_attention()->add_layers(1);
  options->mutable_attention()->add_query_rows(0);
  request.set_include_metadata(true);
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(request, &response).ok());
  const v1::EmbedResult& first = response.results(0);
  EXPECT_THAT(first.embedding().values(), ElementsAre(3, 6, 0, 0));
  ASSERT_EQ(first.additional_size(), 1);
  EXPECT_THAT(first.additional(0).shape(), ElementsAre(3, 4));
  EXPECT_THAT(first.additional(0).values(), ElementsAre(3, 6, 0, 0, 3, 6, 0, 0, 3, 6, 0, 0));
  EXPECT_THAT(first.attention().shape(), ElementsAre(1, 3, 1, 3));
  EXPECT_EQ(first.attention().values_size(), 9);
  EXPECT_THAT(response.results(1).attention().shape(), ElementsAre(1, 3, 1, 1));
  EXPECT_EQ(response.results(2).status().field(), "items[2].text");
  EXPECT_LE(response.metadata().batch_items(), 2) << "each item went through the model once";
  EXPECT_LE(response.metadata().batch_tokens(), 4);
}

TEST_F(ServiceTest, AttentionRowsThatAnItemHasNotAreItsOwnError) {
  StartServer();
  v1::EmbedRequest request = Texts({"w1 w2 w3", "w5"});
  request.mutable_options()->mutable_attention()->add_query_rows(2);
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_FALSE(response.results(0).has_status());
  EXPECT_EQ(response.results(1).status().field(), "options.attention.query_rows[0]");
  EXPECT_FALSE(response.results(1).has_embedding());
}

TEST_F(ServiceTest, AttentionOfAnEmbedHasItsOwnLimit) {
  config().limits.max_attention_bytes = 2 * 3 * 3 * 3 * 4;
  StartServer();
  v1::EmbedRequest request = Texts({"w1 w2 w3"});
  request.mutable_options()->mutable_attention();
  v1::EmbedResponse response;
  EXPECT_TRUE(Embed(request, &response).ok());
  request.add_items()->set_text("w1");
  const grpc::Status status = Embed(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "options.attention");
  EXPECT_THAT(status.error_message(), HasSubstr("--max-attention-bytes"));
}

TEST_F(ServiceTest, EncodedVectorsComeAsBytesWithTheRangesTheyWereMadeBy) {
  StartServer();
  v1::EmbedRequest request = Texts({"w1 w2 w300", "w5"});
  request.mutable_options()->set_encoding(v1::ENCODING_UINT8);
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.results(0).embedding().packed(), std::string("\x03\xFF\x00\x00", 4)) << "303 is clipped";
  EXPECT_EQ(response.results(1).embedding().packed(), std::string("\x01\x05\x00\x00", 4));
  EXPECT_TRUE(response.results(0).embedding().values().empty());
  EXPECT_THAT(response.ranges().maximum(), ElementsAre(255, 255, 255, 255));
  request.mutable_options()->set_encoding(v1::ENCODING_FLOAT16);
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.results(1).embedding().packed(), std::string("\x00\x3C\x00\x45\x00\x00\x00\x00", 8));
  EXPECT_FALSE(response.has_ranges());
}

TEST_F(ServiceTest, VectorsAreCutAndTheAnswerSaysIfTheModelWasNotTrainedForIt) {
  StartServer();
  v1::EmbedRequest request = Texts({"w1 w2 w1"});
  request.mutable_options()->set_dimensions(2);
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_THAT(response.results(0).embedding().values(),
              ElementsAre(::testing::FloatEq(0.6f), ::testing::FloatEq(0.8f)));
  EXPECT_FALSE(response.untrained_dimensions());
  request.mutable_options()->set_dimensions(3);
  EXPECT_EQ(FieldOf(Embed(request, &response)), "options.dimensions");
  request.mutable_options()->set_allow_untrained_dimensions(true);
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_THAT(response.results(0).embedding().shape(), ElementsAre(3));
  EXPECT_TRUE(response.untrained_dimensions());
}

TEST_F(ServiceTest, BadItemsFailAloneEachWithItsField) {
  config().limits.max_text_bytes = config().limits.max_prompt_bytes = 100;
  StartServer();
  v1::EmbedRequest request = Texts({"fine", "  ", std::string(101, 'x'), "w666", "also fine"});
  request.add_items();
  request.add_items()->mutable_tokens()->add_input_ids(-1);
  v1::EmbedResponse response;
  const grpc::Status status = Embed(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const std::vector<std::pair<int, std::string>> expected = {{0, ""},
                                                             {3, "items[1].text"},
                                                             {3, "items[2].text"},
                                                             {13, ""},
                                                             {0, ""},
                                                             {3, "items[5]"},
                                                             {3, "items[6].tokens.input_ids[0]"}};
  for (int i = 0; i < response.results_size(); ++i) {
    EXPECT_EQ(response.results(i).status().code(), expected[static_cast<size_t>(i)].first) << i;
    EXPECT_EQ(response.results(i).status().field(), expected[static_cast<size_t>(i)].second) << i;
    EXPECT_EQ(response.results(i).has_embedding(), expected[static_cast<size_t>(i)].first == 0) << i;
  }
}

TEST_F(ServiceTest, ACallWhoseEveryItemIsBadIsAnsweredItemByItem) {
  StartServer();
  v1::EmbedRequest request = Texts({"", " "});
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.results(0).status().code(), 3);
  EXPECT_EQ(response.results(1).status().field(), "items[1].text");
  request = Texts({"fine"});
  request.mutable_options()->set_prompt_name("unknown");
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.results(0).status().field(), "options.prompt_name");
}

TEST_F(ServiceTest, MalformedRequestsFailAsAWhole) {
  config().limits.max_items_per_request = 2;
  StartServer();
  v1::EmbedResponse response;
  grpc::Status status = Embed(v1::EmbedRequest(), &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "items");
  status = Embed(Texts({"a", "b", "c"}), &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("limit of 2 (--max-items-per-request)"));
  v1::EmbedRequest request = Texts({"a"});
  request.mutable_options()->set_output(static_cast<v1::Output>(42));
  EXPECT_EQ(FieldOf(Embed(request, &response)), "options.output");
  request = Texts({"a"});
  request.set_model("other");
  EXPECT_EQ(Embed(request, &response).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(ServiceTest, BytesThatDoNotParseAreInvalidArguments) {
  StartServer();
  for (const char* method : {"Embed", "Tokenize", "GetModel", "ListModels", "GetAttention"}) {
    const grpc::Status status = CallRaw(method, "\xff\xff\xff\xff");
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << method << " " << status.error_message();
  }
  EXPECT_EQ(FieldOf(CallRaw("Embed", "\x12\x04\x0a\x02\x61\xff")), "items[0].text");
  EXPECT_EQ(FieldOf(CallRaw("Embed", "\x12\x7f\x0a")), "items[0].text");
}

TEST_F(ServiceTest, OversizedMessagesNameTheFlag) {
  config().limits.max_message_bytes = 1 << 20;
  StartServer();
  grpc::Status status = CallRaw("Embed", std::string((1 << 20) + 1, 'x'));
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("--max-message-bytes"));
  // Beyond twice the limit gRPC itself refuses; the connection goes on.
  status = CallRaw("Embed", std::string(3 << 20, 'x'));
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  v1::EmbedResponse response;
  EXPECT_TRUE(Embed(Texts({"a"}), &response).ok());
}

TEST_F(ServiceTest, CompressedRequestsAreInflatedWithinTheLimit) {
  config().limits.max_message_bytes = 1 << 20;
  config().limits.max_text_bytes = 1 << 19;
  StartServer();
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    auto context = Context();
    context->set_compression_algorithm(algorithm);
    v1::EmbedResponse response;
    grpc::Status status = stub().Embed(context.get(), Texts({std::string(60'000, 'x')}), &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_THAT(response.results(0).embedding().values(), ElementsAre(1, 60'000, 0, 0));
    context = Context();
    context->set_compression_algorithm(algorithm);
    status = stub().Embed(context.get(), Texts({std::string(16 << 20, 'x')}), &response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("when decompressed"));
    // Within the limit, but made of next to nothing.
    context = Context();
    context->set_compression_algorithm(algorithm);
    status = stub().Embed(context.get(), Texts({std::string(500'000, 'x')}), &response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr("more than 64 times as large"));
  }
}

TEST_F(ServiceTest, ALongPromptForManyShortItemsIsTooMuchForItsBytes) {
  StartServer();
  v1::EmbedRequest request = Texts(std::vector<std::string>(200, "w1"));
  request.mutable_options()->set_prompt_text(std::string(2000, 'x'));
  v1::EmbedResponse response;
  const grpc::Status status = Embed(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "options.prompt_text");
  v1::TokenizeRequest tokenize;
  *tokenize.mutable_items() = request.items();
  tokenize.set_prompt_text(request.options().prompt_text());
  v1::TokenizeResponse tokens;
  EXPECT_EQ(FieldOf(stub().Tokenize(Context().get(), tokenize, &tokens)), "prompt_text");
  // What people do: an instruction before each question.
  request = Texts(std::vector<std::string>(200, "what is the meaning of life"));
  request.mutable_options()->set_prompt_text(std::string(400, 'x'));
  EXPECT_TRUE(Embed(request, &response).ok());
}

TEST_F(ServiceTest, AnswersAboveTheMessageLimitAreRefusedBeforeTheWork) {
  config().limits.max_message_bytes = 1024;
  config().limits.max_text_bytes = 512;
  config().limits.max_prompt_bytes = 512;
  StartServer();
  v1::EmbedRequest request;
  for (int i = 0; i < 100; ++i) request.add_items()->set_text("w1");
  v1::EmbedResponse response;
  const grpc::Status status = Embed(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("--max-message-bytes"));
}

TEST_F(ServiceTest, OverloadIsRefusedWithARetryHint) {
  config().scheduler.max_queued_items = 2;
  config().limits.max_items_per_request = 2;
  StartServer();
  gate().Close();
  std::thread running([this] {
    v1::EmbedResponse response;
    EXPECT_TRUE(Embed(Texts({"running"}), &response).ok());
  });
  gate().AwaitArrival();
  // Whichever of the two comes first fills the queue, and the other is refused.
  std::atomic<int> refused{0};
  std::vector<std::thread> callers;
  std::mutex mutex;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([this, &refused, &mutex] {
      const auto context = Context();
      v1::EmbedResponse response;
      const grpc::Status status = stub().Embed(context.get(), Texts({"a", "b"}), &response);
      if (status.ok()) return;
      EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
      EXPECT_GT(std::stoi("0" + TrailerOf(*context, kRetryPushbackKey)), 0);
      google::rpc::Status details;
      google::rpc::RetryInfo retry;
      EXPECT_TRUE(details.ParseFromString(status.error_details()) && details.details(0).UnpackTo(&retry));
      const std::lock_guard lock(mutex);
      ++refused;
      gate().Open();
    });
  }
  for (std::thread& caller : callers) caller.join();
  running.join();
  EXPECT_EQ(refused, 1);
}

TEST_F(ServiceTest, DeadlinesEndCallsInTheQueueAndDuringCompute) {
  StartServer();
  gate().Close();
  for (const char* text : {"computed", "queued"}) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
    v1::EmbedResponse response;
    const grpc::Status status = stub().Embed(&context, Texts({text}), &response);
    EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED) << text;
  }
  gate().Open();
  v1::EmbedResponse response;
  EXPECT_TRUE(Embed(Texts({"next"}), &response).ok());
}

TEST_F(ServiceTest, TheDefaultTimeoutEndsACallWithoutDeadline) {
  config().limits.default_timeout = std::chrono::milliseconds(50);
  StartServer();
  gate().Close();
  grpc::ClientContext context;
  v1::EmbedResponse response;
  EXPECT_EQ(stub().Embed(&context, Texts({"a"}), &response).error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ServiceTest, CancelledCallsAreAbandonedDuringCompute) {
  StartServer();
  gate().Close();
  const auto context = Context();
  std::thread caller([&] {
    v1::EmbedResponse response;
    EXPECT_EQ(stub().Embed(context.get(), Texts({"a"}), &response).error_code(), StatusCode::CANCELLED);
  });
  gate().AwaitArrival();
  context->TryCancel();
  caller.join();
  // The worker is free again although nobody has opened the gate: the next call reaches it.
  std::thread next([this] {
    v1::EmbedResponse response;
    EXPECT_TRUE(Embed(Texts({"b"}), &response).ok());
  });
  gate().AwaitArrival();
  gate().Open();
  next.join();
}

TEST_F(ServiceTest, VeryLongDeadlinesDoNotOverflow) {
  StartServer();
  grpc::ClientContext context;
  context.set_deadline(gpr_timespec{std::numeric_limits<int64_t>::max() / 2, 0, GPR_CLOCK_REALTIME});
  v1::EmbedResponse response;
  EXPECT_TRUE(stub().Embed(&context, Texts({"a"}), &response).ok());
}

TEST_F(ServiceTest, LargeRequestsTakeTheOtherPath) {
  StartServer();
  v1::EmbedRequest request;
  for (int i = 0; i < 500; ++i) request.add_items()->set_text(std::string(100, 'x') + " w" + std::to_string(i));
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(request, &response).ok());
  for (int i = 0; i < 500; ++i) {
    EXPECT_THAT(response.results(i).embedding().values(), ElementsAre(2, 100 + i, 0, 0));
  }
}

TEST_F(ServiceTest, AttentionComesInChunksWithOneHeader) {
  StartServer();
  v1::GetAttentionRequest request;
  request.mutable_item()->set_text("w1 w2 w3");
  request.add_layers(1);
  const auto context = Context();
  const auto reader = stub().GetAttention(context.get(), request);
  v1::GetAttentionResponse chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  EXPECT_THAT(chunk.header().shape(), ElementsAre(1, 3, 3, 3));
  EXPECT_THAT(chunk.header().layers(), ElementsAre(1));
  EXPECT_THAT(chunk.header().heads(), ElementsAre(0, 1, 2));
  EXPECT_EQ(chunk.header().tokens_size(), 3);
  ASSERT_EQ(chunk.values_size(), 27);
  EXPECT_EQ(chunk.values(26), 26.0f);
  EXPECT_FALSE(reader->Read(&chunk));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServiceTest, AttentionBudgetIsCheckedBeforeTheWork) {
  config().limits.max_attention_bytes = 1024;
  StartServer();
  gate().Close();  // nothing is computed: the answer comes all the same
  v1::GetAttentionRequest request;
  request.mutable_item()->set_text("w1 w2 w3 w4 w5 w6 w7 w8");
  const auto context = Context();
  const auto reader = stub().GetAttention(context.get(), request);
  v1::GetAttentionResponse chunk;
  EXPECT_FALSE(reader->Read(&chunk));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("takes 1536 bytes"));
  EXPECT_THAT(status.error_message(), HasSubstr("1024 (--max-attention-bytes)"));
}

TEST_F(ServiceTest, CallersThatDoNotReadAreCutOffAndTheirMemoryComesBack) {
  config().limits.write_timeout = std::chrono::milliseconds(100);
  config().limits.max_pending_bytes = 40 << 20;  // for one of the answers, not for two
  config().limits.max_attention_bytes = 32 << 20;
  StartServer();
  v1::GetAttentionRequest request;
  // 2 layers x 3 heads x 1,024 x 1,024 x 4 bytes = 24 MiB
  for (int i = 0; i < 1024; ++i) request.mutable_item()->mutable_tokens()->add_input_ids(1);
  grpc::ClientContext first_context;  // no deadline, and reads no further than this
  const auto first = stub().GetAttention(&first_context, request);
  v1::GetAttentionResponse chunk;
  ASSERT_TRUE(first->Read(&chunk));
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (true) {
    const auto context = Context();
    const auto second = stub().GetAttention(context.get(), request);
    if (second->Read(&chunk)) break;
    ASSERT_EQ(second->Finish().error_code(), StatusCode::RESOURCE_EXHAUSTED);
    ASSERT_LT(std::chrono::steady_clock::now(), give_up);
  }
}

TEST_F(ServiceTest, AttentionErrorsNameTheItemsField) {
  StartServer();
  const auto field = [this](const v1::GetAttentionRequest& request) {
    const auto context = Context();
    const auto reader = stub().GetAttention(context.get(), request);
    v1::GetAttentionResponse chunk;
    EXPECT_FALSE(reader->Read(&chunk));
    return FieldOf(reader->Finish());
  };
  v1::GetAttentionRequest request;
  EXPECT_EQ(field(request), "item");
  request.mutable_item()->set_text(" ");
  EXPECT_EQ(field(request), "item.text");
  request.mutable_item()->set_text("w1");
  request.add_query_rows(1);
  EXPECT_EQ(field(request), "query_rows[0]");
}

TEST_F(ServiceTest, TokenizeShowsTokensAndFailsItemByItem) {
  StartServer();
  v1::TokenizeRequest request;
  request.add_items()->set_text("w0 w5");
  request.add_items()->set_text("");
  request.set_prompt_name("query");
  v1::TokenizeResponse response;
  ASSERT_TRUE(stub().Tokenize(Context().get(), request, &response).ok());
  EXPECT_EQ(response.model_fingerprint(), "f00d");
  ASSERT_EQ(response.results(0).tokens_size(), 4);
  EXPECT_EQ(response.results(0).tokens(2).text(), "[CLS]");
  EXPECT_TRUE(response.results(0).tokens(2).special());
  EXPECT_EQ(response.results(1).status().field(), "items[1].text");
  request.clear_items();
  EXPECT_EQ(FieldOf(stub().Tokenize(Context().get(), request, &response)), "items");
}

TEST_F(ServiceTest, ModelsAreListed) {
  StartServer();
  v1::ListModelsResponse models;
  ASSERT_TRUE(stub().ListModels(Context().get(), {}, &models).ok());
  ASSERT_EQ(models.models_size(), 1);
  EXPECT_EQ(models.models(0).name(), "fake");
  v1::GetModelRequest request;
  v1::Model model;
  ASSERT_TRUE(stub().GetModel(Context().get(), request, &model).ok());
  EXPECT_EQ(model.SerializeAsString(), models.models(0).SerializeAsString());
  request.set_name("other");
  EXPECT_EQ(stub().GetModel(Context().get(), request, &model).error_code(), StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace attendant::testing
