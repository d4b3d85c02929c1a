// Any bytes as a call of any RPC, from the wire to the answer: a real server in this process, on a tiny real model.
//
// Byte 0 chooses the RPC; byte 1 how the rest is cut into messages (streams), and whether the call is cancelled after
// it was sent. Whatever the bytes: the server answers, with a code that the contract knows for a caller's mistake, in
// words, with answers that hold together; and the same call gets the same bytes again.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attendant/v1/embedding.pb.h"
#include "server/observability/logging.h"
#include "server/rpc/utf8.h"
#include "server/server.h"

namespace {

using namespace attendant;

constexpr const char* kMethods[] = {"Embed",      "EmbedStream", "GetAttention", "Tokenize",
                                    "ListModels", "GetModel",    "Rank",         "Similarity"};
constexpr size_t kNumMethods = std::size(kMethods);

void Require(bool condition, const char* what, const std::string& detail = "") {
  if (condition) return;
  std::fprintf(stderr, "broken: %s %s\n", what, detail.c_str());
  std::abort();
}

// Never destroyed: libFuzzer ends the process by itself.
Server* StartServer() {
  ConfigureLogging(LogFormat::kText, LogLevel::kOff);
  ServerConfig config;
  config.grpc_address = "127.0.0.1:0";
  config.metrics_address.clear();
  config.threads = 1;
  config.models.specs = {{.name = "tiny-mean", .directory = std::string(ATTENDANT_TESTDATA) + "/models/tiny-mean"}};
  config.limits.max_items_per_request = 16;
  config.limits.max_attention_bytes = 1 << 20;
  config.limits.max_message_bytes = 1 << 20;
  config.limits.max_text_bytes = 1 << 16;
  auto server = Server::Start(config);
  Require(server.ok(), "the server starts", server.ok() ? "" : std::string(server.status().message()));
  return server->release();
}

struct Answer {
  grpc::Status status;
  std::vector<std::string> messages;
};

// One blocking call with any number of messages both ways.
class Caller {
 public:
  explicit Caller(int port)
      : stub_(grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials())) {}

  Answer Call(const char* method, const std::vector<std::string>& messages, bool cancel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    auto call = stub_.PrepareCall(&context, std::string("/attendant.v1.EmbeddingService/") + method, &queue_);
    call->StartCall(this);
    bool ok = Wait();
    for (const std::string& message : messages) {
      const grpc::Slice slice(message);
      call->Write(grpc::ByteBuffer(&slice, 1), this);
      ok = Wait() && ok;
    }
    call->WritesDone(this);
    Wait();
    if (cancel) context.TryCancel();
    Answer answer;
    for (grpc::ByteBuffer buffer;;) {
      call->Read(&buffer, this);
      if (!Wait()) break;
      answer.messages.push_back(ToString(buffer));
    }
    call->Finish(&answer.status, this);
    Wait();
    return answer;
  }

 private:
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    return ok;
  }

  static std::string ToString(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (!buffer.Dump(&slices).ok()) return bytes;
    for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return bytes;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
};

bool IsCallersMistake(int code) {
  return code == grpc::StatusCode::INVALID_ARGUMENT || code == grpc::StatusCode::NOT_FOUND ||
         code == grpc::StatusCode::RESOURCE_EXHAUSTED;
}

void CheckItemStatus(const v1::ItemStatus& status) {
  Require(IsCallersMistake(status.code()), "an item fails for a caller's mistake only", status.message());
  Require(!status.message().empty(), "an item's failure is put into words");
}

template <typename Shape>
int64_t SizeOf(const Shape& shape) {
  int64_t size = 1;
  for (const int32_t extent : shape) size *= extent;
  return size;
}

void CheckVectors(const v1::Embedding& vectors) {
  const int64_t size = SizeOf(vectors.shape());
  Require(size > 0 && !vectors.shape().empty(), "vectors have a shape");
  if (vectors.encoding() == v1::ENCODING_UNSPECIFIED) {
    Require(size == vectors.values_size() && vectors.packed().empty(), "a vector has the size of its shape");
    for (const float value : vectors.values()) Require(std::isfinite(value), "values are finite");
    return;
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
    Require(SizeOf(attention.shape()) == attention.values_size(), "attention has the size of its shape");
    for (const float value : attention.values()) Require(value >= 0 && value <= 1.001f, "a probability is one");
  }
}

void CheckAttention(const std::vector<std::string>& messages) {
  int64_t expected = 0, seen = 0;
  for (const std::string& bytes : messages) {
    v1::GetAttentionResponse chunk;
    Require(chunk.ParseFromString(bytes), "an answer parses");
    if (seen == 0) {
      expected = 1;
      for (const int32_t extent : chunk.header().shape()) expected *= extent;
    }
    Require(chunk.offset() == seen, "chunks follow each other");
    seen += chunk.values_size();
    for (const float value : chunk.values()) Require(value >= 0 && value <= 1.001f, "a probability is one");
  }
  Require(seen == expected && seen > 0, "the tensor is complete");
}

void CheckStream(const std::vector<std::string>& messages, size_t sent) {
  Require(messages.size() == sent, "every message of a stream has an answer");
  for (const std::string& bytes : messages) {
    v1::EmbedStreamResponse response;
    Require(response.ParseFromString(bytes), "an answer parses");
    if (response.has_status()) {
      CheckItemStatus(response.status());
    } else {
      CheckEmbedResponse(response.response(), std::nullopt);
    }
  }
}

void CheckRank(const std::string& sent, const std::string& answer) {
  v1::RankRequest request;
  v1::RankResponse response;
  Require(request.ParseFromString(sent) && response.ParseFromString(answer), "request and answer parse");
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

void CheckSimilarity(const std::string& sent, const std::string& answer) {
  v1::SimilarityRequest request;
  v1::SimilarityResponse response;
  Require(request.ParseFromString(sent) && response.ParseFromString(answer), "request and answer parse");
  Require(response.rows() == request.items_size(), "a row for each item");
  Require(response.values_size() == int64_t{response.rows()} * response.columns(), "a value for each pair");
  for (const v1::ItemFailure& failure : response.failures()) CheckItemStatus(failure.status());
  for (const v1::ItemFailure& failure : response.others_failures()) CheckItemStatus(failure.status());
}

void CheckGoodAnswer(size_t method, const std::vector<std::string>& sent, const Answer& answer) {
  if (method == 1) return CheckStream(answer.messages, sent.size());
  if (method == 2) return CheckAttention(answer.messages);
  Require(answer.messages.size() == 1, "a unary call has one answer");
  if (method == 6) return CheckRank(sent[0], answer.messages[0]);
  if (method == 7) return CheckSimilarity(sent[0], answer.messages[0]);
  if (method != 0) return;
  v1::EmbedRequest request;
  v1::EmbedResponse response;
  Require(request.ParseFromString(sent[0]), "what was accepted is a request");
  Require(response.ParseFromString(answer.messages[0]), "an answer parses");
  CheckEmbedResponse(response, request.items_size());
}

// Everything but times, which CallMetadata holds, is a function of the request.
bool AsksForMetadata(const std::vector<std::string>& messages) {
  for (const std::string& bytes : messages) {
    v1::EmbedRequest request;
    v1::EmbedStreamRequest stream;
    if (request.ParseFromString(bytes) && request.include_metadata()) return true;
    if (stream.ParseFromString(bytes) && stream.request().include_metadata()) return true;
    v1::RankRequest rank;
    v1::SimilarityRequest similarity;
    if (rank.ParseFromString(bytes) && rank.include_metadata()) return true;
    if (similarity.ParseFromString(bytes) && similarity.include_metadata()) return true;
  }
  return false;
}

std::vector<std::string> Cut(const std::string& bytes, size_t count) {
  std::vector<std::string> pieces;
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = bytes.size() * i / count;
    pieces.push_back(bytes.substr(begin, bytes.size() * (i + 1) / count - begin));
  }
  return pieces;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Server* const server = StartServer();
  static auto* const caller = new Caller(server->grpc_port());
  if (size < 2) return 0;
  const size_t method = data[0] % kNumMethods;
  const bool cancel = data[1] >= 0xF0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::vector<std::string> messages = Cut(bytes, method == 1 ? 1 + data[1] % 4 : 1);
  const Answer answer = caller->Call(kMethods[method], messages, cancel);
  if (answer.status.ok()) {
    CheckGoodAnswer(method, messages, answer);
    // A stream's answers come in any order, and so do the entries of a map, which a model's prompts are.
    if (method == 1 || method == 4 || method == 5 || AsksForMetadata(messages)) return 0;
    const Answer again = caller->Call(kMethods[method], messages, false);
    Require(again.status.ok() && again.messages == answer.messages, "the same call gets the same bytes");
    return 0;
  }
  if (cancel && answer.status.error_code() == grpc::StatusCode::CANCELLED) return 0;
  Require(IsCallersMistake(answer.status.error_code()), "a call fails for a caller's mistake only",
          std::to_string(answer.status.error_code()) + " " + answer.status.error_message());
  Require(!answer.status.error_message().empty(), "a failure is put into words");
  Require(!FirstInvalidUtf8(answer.status.error_message()).has_value(), "a failure's words are UTF-8");
  return 0;
}
