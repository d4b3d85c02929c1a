#include "server/http/api/openai.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/api/embed_door.h"
#include "server/http/api/json_writer.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

constexpr char kModels[] = "/v1/models/";
constexpr char kNoIds[] =
    "token ids are taken only if they are of this model's vocabulary, which the request must say by \"vocabulary\": "
    "\"model\"; clients that count tokens as OpenAI does must send texts (LangChain: check_embedding_ctx_length=False)";

struct EmbeddingsRequest {
  std::shared_ptr<v1::EmbedRequest> native = std::make_shared<v1::EmbedRequest>();
  ItemsOptions items{.field = "input", .ids = IdsPolicy::kRefused, .why_no_ids = kNoIds};
  bool single = false;
  bool base64 = false;
};

absl::StatusOr<EmbeddingsRequest> ReadRequest(HttpCall& call) {
  auto body = ReadJson(call);
  if (!body.ok()) return body.status();
  EmbeddingsRequest request;
  FieldReader fields(&*body);
  nlohmann::json* input = fields.Any("input");
  request.native->set_model(fields.String("model").value_or(""));
  request.base64 = fields.Word("encoding_format", {"base64", "float"}).value_or("float") == "base64";
  ReadDimensions(&fields, request.items.dimensions, request.native->mutable_options());
  fields.String("user");
  // Beyond OpenAI's.
  const bool own_vocabulary = fields.Word("vocabulary", {"model"}).has_value();
  const bool special = fields.Bool("add_special_tokens").value_or(false);
  const auto truncate = fields.Bool("truncate");
  if (auto prompt = fields.String("prompt_name")) {
    request.native->mutable_options()->set_prompt_name(*std::move(prompt));
  }
  if (absl::Status status = fields.Finish(); !status.ok()) return status;
  if (truncate.has_value()) {
    request.native->mutable_options()->set_truncation(*truncate ? v1::TRUNCATION_END : v1::TRUNCATION_ERROR);
  }
  if (own_vocabulary) request.items.ids = special ? IdsPolicy::kWithSpecialTokens : IdsPolicy::kComplete;
  const auto single = AddItems(input, request.items, request.native.get());
  if (!single.ok()) return single.status();
  request.single = *single;
  return request;
}

HttpResponse ToAnswer(const EmbeddingsRequest& request, v1::EmbedResponse embedded) {
  int64_t tokens = 0;
  for (const v1::EmbedResult& result : embedded.results()) tokens += result.tokens_used();
  std::string end = "],\"model\":";
  AppendJsonString(embedded.model(), &end);
  absl::StrAppend(&end, ",\"usage\":{\"prompt_tokens\":", tokens, ",\"total_tokens\":", tokens, "}}");
  const auto vectors = std::make_shared<const v1::EmbedResponse>(std::move(embedded));
  const auto item = [vectors, base64 = request.base64](int i, std::string* out) {
    const auto& values = vectors->results(i).embedding().values();
    const std::span<const float> vector(values.data(), static_cast<size_t>(values.size()));
    absl::StrAppend(out, i > 0 ? "," : "", "{\"object\":\"embedding\",\"index\":", i, ",\"embedding\":");
    if (base64) {
      out->push_back('"');
      AppendBase64(vector, out);
      out->push_back('"');
    } else {
      AppendJsonFloats(vector, out);
    }
    out->push_back('}');
  };
  return ListResponse({.begin = "{\"object\":\"list\",\"data\":[",
                       .count = vectors->results_size(),
                       .item = item,
                       .end = std::move(end),
                       .compression = request.base64 ? Compression::kNever : Compression::kIfWanted});
}

HttpOutcome ServeEmbeddings(HttpCall& call) {
  auto request = ReadRequest(call);
  if (!request.ok()) return {.status = request.status()};
  auto outcome = RunWhole(call, request->native, request->items, request->single);
  if (!outcome.status.ok()) return {.status = std::move(outcome.status), .report = std::move(outcome.report)};
  return {.report = std::move(outcome.report), .response = ToAnswer(*request, std::move(outcome.response))};
}

void AppendModel(const ModelStatus& status, std::string* out) {
  const auto loaded =
      std::chrono::duration_cast<std::chrono::seconds>(status.model->loaded_at.time_since_epoch()).count();
  out->append("{\"id\":");
  AppendJsonString(status.name, out);
  absl::StrAppend(out, ",\"object\":\"model\",\"created\":", loaded, ",\"owned_by\":\"attendant\"}");
}

HttpOutcome ListModels(HttpCall& call) {
  std::string body = "{\"object\":\"list\",\"data\":[";
  bool first = true;
  for (const ModelStatus& status : call.core().models->List()) {
    if (status.state != ModelState::kReady) continue;
    if (!first) body.push_back(',');
    first = false;
    AppendModel(status, &body);
  }
  return {.response = JsonResponse(body + "]}")};
}

HttpOutcome GetModel(HttpCall& call) {
  const std::string name = call.request().path().substr(sizeof kModels - 1);
  for (const ModelStatus& status : call.core().models->List()) {
    if (status.name != name || status.state != ModelState::kReady) continue;
    std::string body;
    AppendModel(status, &body);
    return {.response = JsonResponse(std::move(body))};
  }
  return {.status = NoSuchModel(call.core(), name)};
}

const char* TypeOf(int http_status) {
  if (http_status == 429) return "requests";
  return http_status < 500 ? "invalid_request_error" : "server_error";
}

// "" for none.
const char* CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      return "invalid_api_key";
    case absl::StatusCode::kNotFound:
      return "model_not_found";
    case absl::StatusCode::kResourceExhausted:
      return "rate_limit_exceeded";
    case absl::StatusCode::kOutOfRange:
      return "request_too_large";
    default:
      return "";
  }
}

}  // namespace

HttpResponse OpenAiError(const absl::Status& status) {
  const int http_status = HttpStatusOf(status);
  const std::string field = absl::IsNotFound(status) ? "model" : FieldOf(status);
  const auto or_null = [](const std::string& value, std::string* out) {
    value.empty() ? static_cast<void>(out->append("null")) : AppendJsonString(value, out);
  };
  std::string body = "{\"error\":{\"message\":";
  AppendJsonString(ClippedMessage(status), &body);
  absl::StrAppend(&body, ",\"type\":\"", TypeOf(http_status), "\",\"param\":");
  or_null(field, &body);
  body.append(",\"code\":");
  or_null(CodeOf(status), &body);
  body.append("}}");
  HttpResponse response = JsonResponse(std::move(body));
  response.status = http_status;
  return response;
}

void RegisterOpenAi(const HttpDoorCore& core, HttpServer* server) {
  server->Handle("POST", "/v1/embeddings",
                 ThroughChain(core, RpcMethod::kOpenAiEmbeddings, &ServeEmbeddings, &OpenAiError));
  server->Handle("GET", "/v1/models", ThroughChain(core, RpcMethod::kOpenAiListModels, &ListModels, &OpenAiError));
  server->Handle("GET", kModels, ThroughChain(core, RpcMethod::kOpenAiGetModel, &GetModel, &OpenAiError),
                 PathMatch::kPrefix);
}

}  // namespace attendant
