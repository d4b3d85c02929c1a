#include "tests/fuzz/answer_checks.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>

#include "attendant/v1/admin.pb.h"
#include "attendant/v1/embedding.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "inference/grpc_service.pb.h"
#include "tei/v1/tei.pb.h"

namespace attendant::fuzz {
namespace {

// grpc::StatusCode
constexpr int kInvalidArgument = 3, kDeadlineExceeded = 4, kNotFound = 5, kAlreadyExists = 6, kResourceExhausted = 8;
constexpr int kFailedPrecondition = 9, kUnimplemented = 12, kInternal = 13;

template <typename Message>
Message Parse(const std::string& bytes) {
  Message message;
  Require(message.ParseFromString(bytes), "a message parses", Message::descriptor()->full_name());
  return message;
}

template <typename Response>
void CheckParses(const Messages&, const Messages& answers) {
  Require(answers.size() == 1, "a unary call has one answer");
  Parse<Response>(answers[0]);
}

template <typename Values>
void CheckFinite(const Values& values) {
  for (const auto value : values) Require(std::isfinite(value), "values are finite");
}

template <typename Shape>
int64_t NumElements(const Shape& shape) {
  int64_t size = 1;
  for (const auto extent : shape) size *= extent;
  return size;
}

void CheckItemStatus(const v1::ItemStatus& status) {
  const int code = status.code();
  Require(code == kInvalidArgument || code == kNotFound || code == kResourceExhausted,
          "an item fails for a caller's mistake only", status.message());
  Require(!status.message().empty(), "an item's failure is put into words");
}

// --- attendant.v1.EmbeddingService

void CheckVectors(const v1::Embedding& vectors) {
  const int64_t size = NumElements(vectors.shape());
  Require(size > 0 && !vectors.shape().empty(), "vectors have a shape");
  if (vectors.encoding() == v1::ENCODING_UNSPECIFIED) {
    Require(size == vectors.values_size() && vectors.packed().empty(), "a vector has the size of its shape");
    return CheckFinite(vectors.values());
  }
  const int64_t dimension = *vectors.shape().rbegin();
  const int64_t row_bytes = vectors.encoding() == v1::ENCODING_FLOAT32   ? 4 * dimension
                            : vectors.encoding() == v1::ENCODING_FLOAT16 ? 2 * dimension
                            : vectors.encoding() < v1::ENCODING_BINARY   ? dimension
                                                                         : (dimension + 7) / 8;
  Require(static_cast<int64_t>(vectors.packed().size()) == size / dimension * row_bytes && vectors.values().empty(),
          "packed vectors have the size of their shape");
}

void CheckEmbedResponse(const v1::EmbedResponse& response, std::optional<int> items) {
  Require(!response.model_fingerprint().empty(), "an answer names its model");
  if (items) Require(response.results_size() == *items, "every item has a result");
  for (const v1::EmbedResult& result : response.results()) {
    if (result.has_status()) {
      CheckItemStatus(result.status());
      continue;
    }
    CheckVectors(result.embedding());
    for (const v1::Embedding& vectors : result.additional()) CheckVectors(vectors);
    if (!result.has_attention()) continue;
    const v1::Attention& attention = result.attention();
    Require(NumElements(attention.shape()) == attention.values_size(), "attention has the size of its shape");
    for (const float value : attention.values()) Require(value >= 0 && value <= 1.001f, "a probability is one");
  }
}

void CheckEmbed(const Messages& sent, const Messages& answers) {
  Require(answers.size() == 1, "a unary call has one answer");
  CheckEmbedResponse(Parse<v1::EmbedResponse>(answers[0]), Parse<v1::EmbedRequest>(sent[0]).items_size());
}

void CheckStream(const Messages& sent, const Messages& answers) {
  Require(answers.size() == sent.size(), "every message of a stream has an answer");
  for (const std::string& bytes : answers) {
    const auto response = Parse<v1::EmbedStreamResponse>(bytes);
    if (response.has_status()) {
      CheckItemStatus(response.status());
    } else {
      CheckEmbedResponse(response.response(), std::nullopt);
    }
  }
}

void CheckAttention(const Messages&, const Messages& answers) {
  int64_t expected = 0, seen = 0;
  for (const std::string& bytes : answers) {
    const auto chunk = Parse<v1::GetAttentionResponse>(bytes);
    if (seen == 0) expected = NumElements(chunk.header().shape());
    Require(chunk.offset() == seen, "chunks follow each other");
    seen += chunk.values_size();
    for (const float value : chunk.values()) Require(value >= 0 && value <= 1.001f, "a probability is one");
  }
  Require(seen == expected && seen > 0, "the tensor is complete");
}

void CheckRank(const Messages& sent, const Messages& answers) {
  Require(answers.size() == 1, "a unary call has one answer");
  const auto request = Parse<v1::RankRequest>(sent[0]);
  const auto response = Parse<v1::RankResponse>(answers[0]);
  const int scored = request.items_size() - response.failures_size();
  const int expected = request.top_k() == 0 ? scored : std::min(request.top_k(), scored);
  Require(response.results_size() == expected, "as many results as there are, or as were asked for");
  for (int i = 1; i < response.results_size(); ++i) {
    const v1::RankResult& last = response.results(i - 1);
    const v1::RankResult& next = response.results(i);
    Require(last.score() > next.score() || (last.score() == next.score() && last.index() < next.index()),
            "results are in order");
  }
  for (const v1::ItemFailure& failure : response.failures()) CheckItemStatus(failure.status());
}

void CheckSimilarity(const Messages& sent, const Messages& answers) {
  Require(answers.size() == 1, "a unary call has one answer");
  const auto request = Parse<v1::SimilarityRequest>(sent[0]);
  const auto response = Parse<v1::SimilarityResponse>(answers[0]);
  Require(response.rows() == request.items_size(), "a row for each item");
  Require(response.values_size() == int64_t{response.rows()} * response.columns(), "a value for each pair");
  for (const v1::ItemFailure& failure : response.failures()) CheckItemStatus(failure.status());
  for (const v1::ItemFailure& failure : response.others_failures()) CheckItemStatus(failure.status());
}

// --- tei.v1

// Of a stream: every request before the first that failed, which ends it.
template <typename Request, typename Response>
void ForEachPair(const Messages& sent, const Messages& answers, void (*check)(const Request&, const Response&)) {
  Require(answers.size() == sent.size(), "every request of a stream that ended well has an answer");
  for (size_t i = 0; i < answers.size(); ++i) check(Parse<Request>(sent[i]), Parse<Response>(answers[i]));
}

void CheckTeiEmbed(const Messages& sent, const Messages& answers) {
  ForEachPair<tei::v1::EmbedRequest, tei::v1::EmbedResponse>(
      sent, answers, [](const auto& request, const auto& answer) {
        Require(answer.embeddings_size() > 0, "there is a vector");
        if (request.has_dimensions()) {
          Require(static_cast<uint32_t>(answer.embeddings_size()) == request.dimensions(),
                  "it has the dimensions asked for");
        }
        CheckFinite(answer.embeddings());
      });
}

void CheckTeiEmbedAll(const Messages& sent, const Messages& answers) {
  ForEachPair<tei::v1::EmbedAllRequest, tei::v1::EmbedAllResponse>(sent, answers, [](const auto&, const auto& answer) {
    Require(static_cast<uint32_t>(answer.token_embeddings_size()) == answer.metadata().compute_tokens(),
            "every token has a vector");
    for (const auto& token : answer.token_embeddings()) {
      Require(token.embeddings_size() == answer.token_embeddings(0).embeddings_size(), "vectors have one size");
      CheckFinite(token.embeddings());
    }
  });
}

void CheckTeiTokenize(const Messages& sent, const Messages& answers) {
  ForEachPair<tei::v1::EncodeRequest, tei::v1::EncodeResponse>(sent, answers, [](const auto&, const auto& answer) {
    for (const auto& token : answer.tokens()) {
      Require(token.special() || token.start() < token.stop(), "a token is a piece of the text");
    }
  });
}

void CheckTeiDecode(const Messages& sent, const Messages& answers) {
  ForEachPair<tei::v1::DecodeRequest, tei::v1::DecodeResponse>(sent, answers, [](const auto&, const auto&) {});
}

// --- inference.GRPCInferenceService

void CheckInferResponse(const inference::ModelInferRequest& request, const inference::ModelInferResponse& answer) {
  Require(answer.id() == request.id(), "an answer has its request's id");
  Require(answer.outputs_size() == std::max(1, request.outputs_size()), "every output that was asked for is there");
  const bool raw = answer.raw_output_contents_size() > 0;
  Require(!raw || answer.raw_output_contents_size() == answer.outputs_size(), "raw contents come for all or for none");
  for (int i = 0; i < answer.outputs_size(); ++i) {
    const auto& output = answer.outputs(i);
    const bool integers = output.datatype() == "INT64";
    Require(integers || output.datatype() == "FP32", "an output is of a type that was announced", output.datatype());
    const auto& contents = output.contents();
    const int64_t typed = integers ? contents.int64_contents_size() : contents.fp32_contents_size();
    const auto raw_size = raw ? static_cast<int64_t>(answer.raw_output_contents(i).size()) : 0;
    const int64_t size = raw ? raw_size / (integers ? 8 : 4) : typed;
    Require(size > 0 && size == NumElements(output.shape()), "a tensor has the size of its shape", output.name());
    CheckFinite(contents.fp32_contents());
  }
}

void CheckInfer(const Messages& sent, const Messages& answers) {
  ForEachPair<inference::ModelInferRequest, inference::ModelInferResponse>(sent, answers, &CheckInferResponse);
}

void CheckStreamInfer(const Messages& sent, const Messages& answers) {
  Require(answers.size() == sent.size(), "every message of a stream has an answer");
  for (size_t i = 0; i < answers.size(); ++i) {
    const auto answer = Parse<inference::ModelStreamInferResponse>(answers[i]);
    if (!answer.error_message().empty()) {
      Require(answer.infer_response().outputs().empty(), "what failed has no tensors");
    } else {
      CheckInferResponse(Parse<inference::ModelInferRequest>(sent[i]), answer.infer_response());
    }
  }
}

// --- attendant.v1.AdminService

void CheckModelChange(const Messages&, const Messages& answers) {
  Require(answers.size() == 1, "a unary call has one answer");
  const auto change = Parse<v1::ModelChange>(answers[0]);
  Require(!change.loaded().model().fingerprint().empty() && !change.loaded().self_check().empty(),
          "what was loaded has a fingerprint and passed a check");
}

void CheckLoadedModels(const Messages&, const Messages& answers) {
  Require(answers.size() == 1, "a unary call has one answer");
  const auto loaded = Parse<v1::ListLoadedModelsResponse>(answers[0]);
  Require(loaded.models_size() == 1, "only the configured model is there", std::to_string(loaded.models_size()));
}

constexpr char kNative[] = "attendant.v1.EmbeddingService", kAdmin[] = "attendant.v1.AdminService";
constexpr char kTeiInfo[] = "tei.v1.Info", kTeiEmbed[] = "tei.v1.Embed", kTeiTokenize[] = "tei.v1.Tokenize";
constexpr char kInference[] = "inference.GRPCInferenceService", kHealth[] = "grpc.health.v1.Health";
constexpr bool kUnary = false, kStream = true;
constexpr Repeats kSame = Repeats::kSameBytes, kTimes = Repeats::kSameButMetadata, kNo = Repeats::kNot;

std::vector<Rpc> MakeOffered() {
  using namespace inference;
  const auto admin = Listener::kAdmin;
  const auto main = Listener::kMain;
  return {
      {kNative, "Embed", kUnary, kSame, main, &CheckEmbed},
      // Its answers come in any order.
      {kNative, "EmbedStream", kStream, kNo, main, &CheckStream},
      {kNative, "GetAttention", kUnary, kSame, main, &CheckAttention},
      {kNative, "Tokenize", kUnary, kSame, main, &CheckParses<v1::TokenizeResponse>},
      // A model's prompts are a map.
      {kNative, "ListModels", kUnary, kNo, main, &CheckParses<v1::ListModelsResponse>},
      {kNative, "GetModel", kUnary, kNo, main, &CheckParses<v1::Model>},
      {kTeiInfo, "Info", kUnary, kSame, main, &CheckParses<tei::v1::InfoResponse>},
      {kTeiEmbed, "Embed", kUnary, kTimes, main, &CheckTeiEmbed},
      {kTeiEmbed, "EmbedStream", kStream, kTimes, main, &CheckTeiEmbed},
      {kTeiEmbed, "EmbedAll", kUnary, kTimes, main, &CheckTeiEmbedAll},
      {kTeiEmbed, "EmbedAllStream", kStream, kTimes, main, &CheckTeiEmbedAll},
      {kTeiTokenize, "Tokenize", kUnary, kSame, main, &CheckTeiTokenize},
      {kTeiTokenize, "TokenizeStream", kStream, kSame, main, &CheckTeiTokenize},
      {kTeiTokenize, "Decode", kUnary, kSame, main, &CheckTeiDecode},
      {kTeiTokenize, "DecodeStream", kStream, kSame, main, &CheckTeiDecode},
      {kInference, "ServerLive", kUnary, kSame, main, &CheckParses<ServerLiveResponse>},
      {kInference, "ServerReady", kUnary, kSame, main, &CheckParses<ServerReadyResponse>},
      {kInference, "ModelReady", kUnary, kSame, main, &CheckParses<ModelReadyResponse>},
      {kInference, "ServerMetadata", kUnary, kSame, main, &CheckParses<ServerMetadataResponse>},
      {kInference, "ModelMetadata", kUnary, kSame, main, &CheckParses<ModelMetadataResponse>},
      {kInference, "ModelInfer", kUnary, kSame, main, &CheckInfer},
      {kInference, "ModelStreamInfer", kStream, Repeats::kSameButOrder, main, &CheckStreamInfer},
      {kInference, "ModelConfig", kUnary, kSame, main, &CheckParses<ModelConfigResponse>},
      {kInference, "ModelStatistics", kUnary, kNo, main, &CheckParses<ModelStatisticsResponse>},
      {kInference, "RepositoryIndex", kUnary, kSame, main, &CheckParses<RepositoryIndexResponse>},
      {kAdmin, "LoadModel", kUnary, kNo, admin, &CheckModelChange},
      {kAdmin, "SwapModel", kUnary, kNo, admin, &CheckModelChange},
      {kAdmin, "UnloadModel", kUnary, kNo, admin, &CheckParses<v1::UnloadModelResponse>},
      {kAdmin, "ReloadConfig", kUnary, kNo, admin, &CheckParses<v1::ReloadConfigResponse>},
      {kAdmin, "ListLoadedModels", kUnary, kNo, admin, &CheckLoadedModels},
      {kHealth, "Check", kUnary, kSame, main, &CheckParses<grpc::health::v1::HealthCheckResponse>},
      {kNative, "Rank", kUnary, kSame, main, &CheckRank},
      {kNative, "Similarity", kUnary, kSame, main, &CheckSimilarity},
  };
}

std::vector<Rpc> MakeRefused() {
  std::vector<Rpc> refused;
  for (const char* file : {"attendant/v1/embedding.proto", "attendant/v1/admin.proto", "tei/v1/tei.proto",
                           "inference/grpc_service.proto"}) {
    const auto* contract = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(file);
    Require(contract != nullptr, "a contract is linked", file);
    for (int s = 0; s < contract->service_count(); ++s) {
      const auto& service = *contract->service(s);
      for (int m = 0; m < service.method_count(); ++m) {
        const auto& method = *service.method(m);
        const auto& offered = OfferedRpcs();
        const bool is_offered = std::any_of(offered.begin(), offered.end(), [&](const Rpc& rpc) {
          return rpc.service == service.full_name() && rpc.method == method.name();
        });
        if (!is_offered) refused.push_back({service.full_name(), method.name(), method.client_streaming()});
      }
    }
  }
  return refused;
}

bool HasTimeout(const std::string& bytes) {
  inference::ModelInferRequest request;
  return request.ParseFromString(bytes) && request.parameters().contains("timeout");
}

template <typename Request>
bool WantsMetadata(const std::string& bytes) {
  Request request;
  return request.ParseFromString(bytes) && request.include_metadata();
}

template <typename Response>
std::string WithoutMetadata(const std::string& bytes) {
  auto response = Parse<Response>(bytes);
  response.clear_metadata();
  return response.SerializeAsString();
}

// Maps in the order of their keys.
template <typename Response>
std::string InOrder(const std::string& bytes) {
  std::string ordered;
  {
    google::protobuf::io::StringOutputStream stream(&ordered);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    Parse<Response>(bytes).SerializeToCodedStream(&coded);
  }
  return ordered;
}

}  // namespace

const std::vector<Rpc>& OfferedRpcs() {
  static const auto* const rpcs = new std::vector<Rpc>(MakeOffered());
  return *rpcs;
}

const std::vector<Rpc>& RefusedRpcs() {
  static const auto* const rpcs = new std::vector<Rpc>(MakeRefused());
  return *rpcs;
}

bool IsCallersMistake(const Rpc& rpc, int code) {
  if (code == kInvalidArgument || code == kNotFound || code == kResourceExhausted) return true;
  // Its requests may hold a deadline of their own.
  if (rpc.service == kInference) return code == kDeadlineExceeded;
  // gRPC's own words for a message that does not parse.
  if (rpc.service == kHealth) return code == kUnimplemented || code == kInternal;
  // Names that are taken, directories with models that are not for us.
  return rpc.service == kAdmin && (code == kAlreadyExists || code == kFailedPrecondition || code == kUnimplemented);
}

bool IsRepeatable(const Rpc& rpc, const Messages& sent) {
  if (rpc.repeats == Repeats::kNot) return false;
  if (rpc.service == kInference) return std::none_of(sent.begin(), sent.end(), &HasTimeout);
  if (rpc.service != kNative) return true;
  const auto wants_metadata = rpc.method == "Rank"         ? &WantsMetadata<v1::RankRequest>
                              : rpc.method == "Similarity" ? &WantsMetadata<v1::SimilarityRequest>
                                                           : &WantsMetadata<v1::EmbedRequest>;
  return std::none_of(sent.begin(), sent.end(), wants_metadata);
}

Messages Comparable(const Rpc& rpc, const Messages& answers) {
  if (rpc.repeats == Repeats::kSameBytes) return answers;
  const bool all = rpc.method.rfind("EmbedAll", 0) == 0;
  Messages comparable;
  for (const std::string& bytes : answers) {
    if (rpc.repeats == Repeats::kSameButOrder) {
      comparable.push_back(InOrder<inference::ModelStreamInferResponse>(bytes));
    } else if (all) {
      comparable.push_back(WithoutMetadata<tei::v1::EmbedAllResponse>(bytes));
    } else {
      comparable.push_back(WithoutMetadata<tei::v1::EmbedResponse>(bytes));
    }
  }
  return comparable;
}

}  // namespace attendant::fuzz
