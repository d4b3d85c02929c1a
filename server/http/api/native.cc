#include "server/http/api/native.h"

#include <google/protobuf/reflection.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attendant/v1/embedding.pb.h"
#include "server/http/api/json_reader.h"
#include "server/http/api/json_writer.h"
#include "server/rpc/attention_flow.h"
#include "server/rpc/compare_flow.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/model_flows.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/tokenize_flow.h"

namespace attendant {
namespace {

constexpr char kPrefix[] = "/attendant/v1/";
constexpr size_t kPieceBytes = 16 * 1024;
// A multiple of 3 floats, so that its base64 has no end.
constexpr size_t kPieceFloats = 12 * 1024;

template <typename Request, typename Response>
using Flow = std::function<void(const ServiceCore&, CallContext, std::shared_ptr<const Request>, Done<Response>)>;

// protobuf's parser recurses and allocates as it goes; what it may need is reserved from the text before. So is what an
// answer to each item needs: an item of three bytes gets a result of some 400, with a status that says it is empty.
absl::Status ReadMessage(HttpCall& call, google::protobuf::Message* message) {
  constexpr int64_t kItemShare = 4;  // of 128 bytes each
  const absl::StatusOr<std::string> body = call.ReadBody();
  if (!body.ok()) return body.status();
  if (body->empty()) return absl::OkStatus();  // as good as {}
  absl::Status status = call.Reserve(kItemShare * JsonTreeBytes(*body) + 2 * static_cast<int64_t>(body->size()));
  if (status.ok()) status = CheckJson(*body);
  if (!status.ok()) return status;
  const auto parsed = google::protobuf::util::JsonStringToMessage(*body, message);
  if (parsed.ok()) return absl::OkStatus();
  const auto text = parsed.message();
  return InvalidField("(body)", std::string(text.data(), text.size()));
}

// A message in pieces: its repeated messages, of which an answer may have many, one after another.
class MessageBody {
 public:
  explicit MessageBody(std::shared_ptr<const google::protobuf::Message> message) : message_(std::move(message)) {
    message_->GetReflection()->ListFields(*message_, &fields_);
  }

  bool Next(std::string* out) {
    if (std::exchange(begun_, true) == false) out->push_back('{');
    while (out->size() < kPieceBytes) {
      if (field_ == fields_.size()) {
        out->push_back('}');
        return false;
      }
      WriteNext(out);
    }
    return true;
  }

 private:
  void WriteNext(std::string* out) {
    const google::protobuf::FieldDescriptor& field = *fields_[field_];
    if (element_ == 0) {
      if (field_ > 0) out->push_back(',');
      AppendJsonString(field.json_name(), out);
      out->push_back(':');
    }
    if (field.is_repeated() && field.cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_FLOAT) {
      return WriteFloats(field, out);
    }
    const bool list = field.is_repeated() && !field.is_map() && field.message_type() != nullptr;
    if (!list) {
      AppendJsonField(*message_, field, out);
      ++field_;
      return;
    }
    const auto& reflection = *message_->GetReflection();
    out->push_back(element_ == 0 ? '[' : ',');
    AppendJsonMessage(reflection.GetRepeatedMessage(*message_, &field, element_), out);
    if (++element_ < reflection.FieldSize(*message_, &field)) return;
    out->push_back(']');
    element_ = 0;
    ++field_;
  }

  void WriteFloats(const google::protobuf::FieldDescriptor& field, std::string* out) {
    constexpr int kAtATime = 1024;
    const auto values = message_->GetReflection()->GetRepeatedFieldRef<float>(*message_, &field);
    const int end = std::min(values.size(), element_ + kAtATime);
    for (; element_ < end; ++element_) {
      out->push_back(element_ == 0 ? '[' : ',');
      AppendJsonNumber(values.Get(element_), out);
    }
    if (element_ < values.size()) return;
    out->push_back(']');
    element_ = 0;
    ++field_;
  }

  const std::shared_ptr<const google::protobuf::Message> message_;
  std::vector<const google::protobuf::FieldDescriptor*> fields_;  // those that are set
  bool begun_ = false;
  size_t field_ = 0;
  int element_ = 0;
};

HttpResponse MessageResponse(std::shared_ptr<const google::protobuf::Message> message) {
  HttpResponse response = JsonResponse("");
  BodyProducer rest = [body = std::make_shared<MessageBody>(std::move(message))](std::string* out) {
    return body->Next(out);
  };
  if (rest(&response.body)) response.rest = std::move(rest);
  return response;
}

// About what the largest of an answer's repeated messages takes as text, which is made whole: a float takes four bytes
// in the message, and twelve in JSON.
template <typename Response>
int64_t LargestElementText(const Response& response) {
  constexpr int64_t kTextPerByte = 3;
  size_t largest = 0;
  if constexpr (requires { response.results(0).embedding(); }) {
    for (const auto& result : response.results()) largest = std::max(largest, result.ByteSizeLong());
  }
  return kTextPerByte * static_cast<int64_t>(largest);
}

template <typename Request, typename Response>
HttpDoor DoorOf(Flow<Request, Response> flow) {
  return [flow = std::move(flow)](HttpCall& call) -> HttpOutcome {
    auto request = std::make_shared<Request>();
    if (absl::Status status = ReadMessage(call, request.get()); !status.ok()) return {.status = std::move(status)};
    auto outcome = call.Run<Response>(
        [&](Done<Response> done) { flow(call.core(), call.context(), std::move(request), std::move(done)); });
    if (outcome.status.ok()) outcome.status = call.Reserve(LargestElementText(outcome.response));
    if (!outcome.status.ok()) return {.status = std::move(outcome.status), .report = std::move(outcome.report)};
    return {.report = std::move(outcome.report),
            .response = MessageResponse(std::make_shared<Response>(std::move(outcome.response)))};
  };
}

HttpResponse AttentionBody(AttentionResponse attention) {
  HttpResponse response = JsonResponse("{\"header\":", Compression::kNever);
  AppendJsonMessage(attention.header, &response.body);
  response.body.append(",\"values_base64\":\"");
  const auto values = std::make_shared<const std::vector<float>>(std::move(attention.values));
  response.rest = [values, written = size_t{0}](std::string* out) mutable {
    const size_t count = std::min(kPieceFloats, values->size() - written);
    AppendBase64(std::span(values->data() + written, count), out);
    written += count;
    if (written < values->size()) return true;
    out->append("\"}");
    return false;
  };
  return response;
}

HttpOutcome GetAttention(HttpCall& call) {
  auto request = std::make_shared<v1::GetAttentionRequest>();
  if (absl::Status status = ReadMessage(call, request.get()); !status.ok()) return {.status = std::move(status)};
  auto outcome = call.Run<AttentionResponse>([&](Done<AttentionResponse> done) {
    RunAttention(call.core(), call.context(), std::move(request), std::move(done));
  });
  if (!outcome.status.ok()) return {.status = std::move(outcome.status), .report = std::move(outcome.report)};
  return {.report = std::move(outcome.report), .response = AttentionBody(std::move(outcome.response))};
}

void Tokenize(const ServiceCore& core, const CallContext& call,
              const std::shared_ptr<const v1::TokenizeRequest>& request, const Done<v1::TokenizeResponse>& done) {
  done(RunTokenize(core, call, *request));
}

HttpOutcome Scrape(HttpCall& call) {
  // What Prometheus asks for.
  return {
      .response = {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = call.core().metrics->Render()}};
}

}  // namespace

HttpResponse NativeError(const absl::Status& status) {
  std::string body = "{\"error\":{\"code\":";
  AppendJsonString(StatusCodeName(status.code()), &body);
  body.append(",\"message\":");
  AppendJsonString(ClippedMessage(status), &body);
  body.append(",\"field\":");
  AppendJsonString(FieldOf(status), &body);
  body.append("}}");
  HttpResponse response = JsonResponse(std::move(body));
  response.status = HttpStatusOf(status);
  return response;
}

void RegisterNative(const HttpDoorCore& core, HttpServer* server) {
  const auto handle = [&](const char* method, RpcMethod rpc, HttpDoor door) {
    server->Handle("POST", absl::StrCat(kPrefix, method), ThroughChain(core, rpc, std::move(door), &NativeError));
  };
  handle("Embed", RpcMethod::kHttpEmbed, DoorOf<v1::EmbedRequest, v1::EmbedResponse>(&RunEmbed));
  handle("Tokenize", RpcMethod::kHttpTokenize, DoorOf<v1::TokenizeRequest, v1::TokenizeResponse>(&Tokenize));
  handle("Rank", RpcMethod::kHttpRank, DoorOf<v1::RankRequest, v1::RankResponse>(&RunRank));
  handle("Similarity", RpcMethod::kHttpSimilarity,
         DoorOf<v1::SimilarityRequest, v1::SimilarityResponse>(&RunSimilarity));
  handle("GetAttention", RpcMethod::kHttpGetAttention, &GetAttention);
  handle("ListModels", RpcMethod::kHttpListModels,
         DoorOf<v1::ListModelsRequest, v1::ListModelsResponse>(&RunListModels));
  handle("GetModel", RpcMethod::kHttpGetModel, DoorOf<v1::GetModelRequest, v1::Model>(&RunGetModel));
}

void RegisterMetrics(const HttpDoorCore& metrics_core, HttpServer* server) {
  server->Handle("GET", "/metrics", ThroughChain(metrics_core, RpcMethod::kHttpMetrics, &Scrape, &NativeError));
}

}  // namespace attendant
