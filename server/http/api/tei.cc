#include "server/http/api/tei.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/http/api/embed_door.h"
#include "server/http/api/json_writer.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/tei/tei_flows.h"

namespace attendant {
namespace {

using nlohmann::json;

// TEI's own tokenize gives complete ids, so they are taken for that.
const ItemsOptions kInputs{.field = "inputs", .ids = IdsPolicy::kComplete, .why_no_ids = ""};

struct EmbedRequest {
  std::shared_ptr<v1::EmbedRequest> native = std::make_shared<v1::EmbedRequest>();
  bool single = false;
  size_t characters = 0;
};

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

v1::Truncation ToTruncation(std::optional<bool> truncate, const std::string& direction) {
  // As its flag --auto-truncate, which is on by default, has it.
  if (!truncate.value_or(true)) return v1::TRUNCATION_ERROR;
  return direction == "left" ? v1::TRUNCATION_START : v1::TRUNCATION_END;
}

absl::StatusOr<EmbedRequest> ReadEmbed(HttpCall& call, v1::Output output) {
  auto body = ReadJson(call);
  if (!body.ok()) return body.status();
  EmbedRequest request;
  v1::EmbedOptions& options = *request.native->mutable_options();
  FieldReader fields(&*body);
  json* inputs = fields.Any("inputs");
  const auto truncate = fields.Bool("truncate");
  options.set_truncation(ToTruncation(truncate, fields.Word("truncation_direction", {"left", "right"}).value_or("")));
  if (auto prompt = fields.String("prompt_name")) options.set_prompt_name(*std::move(prompt));
  if (output == v1::OUTPUT_POOLED) {
    options.set_normalize(fields.Bool("normalize").value_or(true));
    ReadDimensions(&fields, kInputs.dimensions, &options);
  }
  if (absl::Status status = fields.Finish(); !status.ok()) return status;
  const auto single = AddItems(inputs, kInputs, request.native.get());
  if (!single.ok()) return single.status();
  request.single = *single;
  options.set_output(output);
  for (const v1::Item& item : request.native->items()) request.characters += CountCharacters(item.text());
  return request;
}

// What TEI tells about a request's cost.
void AddHeaders(const HttpCall& call, const EmbedRequest& request, const Outcome<v1::EmbedResponse>& outcome,
                HttpResponse* response) {
  int64_t tokens = 0;
  for (const v1::EmbedResult& result : outcome.response.results()) tokens += result.tokens_used();
  const auto add = [response](const char* name, const std::string& value) {
    response->headers.emplace_back(name, value);
  };
  const auto milliseconds = [](const std::optional<Microseconds>& time) {
    return std::to_string(time.value_or(Microseconds(0)).count() / 1000);
  };
  add("x-compute-type", "cpu");
  add("x-compute-time", milliseconds(outcome.report.compute));
  add("x-compute-characters", std::to_string(request.characters));
  add("x-compute-tokens", std::to_string(tokens));
  add("x-total-time", milliseconds(Since(call.context().arrival)));
  add("x-tokenization-time", milliseconds(outcome.report.tokenize));
  add("x-queue-time", milliseconds(outcome.report.queue));
  add("x-inference-time", milliseconds(outcome.report.compute));
}

// A list of vectors, or of lists of vectors, written row by row: those of one text may be megabytes.
HttpResponse VectorLists(const std::shared_ptr<const v1::EmbedResponse>& vectors) {
  std::vector<std::pair<int, int>> rows;  // result, and row of it; -1: it is no list
  for (int i = 0; i < vectors->results_size(); ++i) {
    const v1::Embedding& embedding = vectors->results(i).embedding();
    if (embedding.shape_size() == 1) rows.emplace_back(i, -1);
    for (int row = 0; embedding.shape_size() > 1 && row < embedding.shape(0); ++row) rows.emplace_back(i, row);
  }
  const int count = static_cast<int>(rows.size());
  const auto item = [vectors, rows = std::move(rows)](int i, std::string* out) {
    const auto [result, row] = rows[static_cast<size_t>(i)];
    const v1::Embedding& embedding = vectors->results(result).embedding();
    const auto row_size = static_cast<size_t>(embedding.shape(embedding.shape_size() - 1));
    const auto offset = row_size * static_cast<size_t>(std::max(row, 0));
    if (i > 0) out->push_back(',');
    if (row == 0) out->push_back('[');
    AppendJsonFloats({embedding.values().data() + offset, row_size}, out);
    if (row >= 0 && row + 1 == embedding.shape(0)) out->push_back(']');
  };
  return ListResponse({.begin = "[", .count = count, .item = item, .end = "]"});
}

// output: what each input becomes, a vector or one vector for each token.
HttpOutcome ServeEmbed(HttpCall& call, v1::Output output) {
  auto request = ReadEmbed(call, output);
  if (!request.ok()) return {.status = request.status()};
  auto outcome = RunWhole(call, request->native, kInputs, request->single);
  if (!outcome.status.ok()) return {.status = std::move(outcome.status), .report = std::move(outcome.report)};
  HttpOutcome answer{.report = outcome.report};
  std::vector<std::pair<std::string, std::string>> headers;
  AddHeaders(call, *request, outcome, &answer.response);
  headers.swap(answer.response.headers);
  const auto vectors = std::make_shared<const v1::EmbedResponse>(std::move(outcome.response));
  answer.response = VectorLists(vectors);
  answer.response.headers = std::move(headers);
  return answer;
}

// One text through a flow that is at its end when it returns.
template <typename Request, typename Response>
Outcome<Response> RunOne(HttpCall& call, std::shared_ptr<const Request> request,
                         void (*flow)(const ServiceCore&, const CallContext&, const std::shared_ptr<const Request>&,
                                      const Done<Response>&)) {
  Outcome<Response> result;
  flow(call.core(), call.context(), request, [&result](Outcome<Response> outcome) { result = std::move(outcome); });
  return result;
}

void AddReport(const CallReport& one, CallReport* all) {
  for (const auto& [code, count] : one.items) all->items[code] += count;
  if (one.tokenize.has_value()) all->tokenize = std::max(all->tokenize.value_or(Microseconds(0)), *one.tokenize);
}

void AppendTokens(const tei::v1::EncodeResponse& encoded, std::string* out) {
  out->push_back('[');
  for (int i = 0; i < encoded.tokens_size(); ++i) {
    const tei::v1::SimpleToken& token = encoded.tokens(i);
    absl::StrAppend(out, i > 0 ? "," : "", "{\"id\":", token.id(), ",\"text\":");
    AppendJsonString(token.text(), out);
    absl::StrAppend(out, ",\"special\":", token.special() ? "true" : "false");
    const auto place = [out](bool has, uint32_t value) { return has ? std::to_string(value) : std::string("null"); };
    absl::StrAppend(out, ",\"start\":", place(token.has_start(), token.start()),
                    ",\"stop\":", place(token.has_stop(), token.stop()), "}");
  }
  out->push_back(']');
}

// A string or a list of such, each through `append`, as a list. max_items: of a request.
absl::Status CheckCount(const HttpCall& call, const char* field, size_t count) {
  const int32_t limit = call.core().limits.max_items_per_request;
  if (count <= static_cast<size_t>(limit)) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("there are more than the limit of ", limit, " (--max-items-per-request)"));
}

HttpOutcome ServeTokenize(HttpCall& call) {
  auto body = ReadJson(call);
  if (!body.ok()) return {.status = body.status()};
  FieldReader fields(&*body);
  json* inputs = fields.Any("inputs");
  const bool special = fields.Bool("add_special_tokens").value_or(true);
  const auto prompt = fields.String("prompt_name");
  v1::EmbedRequest texts;
  absl::Status status = fields.Finish();
  const ItemsOptions options{.field = "inputs", .ids = IdsPolicy::kRefused, .why_no_ids = "ids are tokens already"};
  if (status.ok()) status = AddItems(inputs, options, &texts).status();
  if (status.ok()) status = CheckCount(call, "inputs", static_cast<size_t>(texts.items_size()));
  HttpOutcome answer{.status = status};
  std::string list = "[";
  for (int i = 0; answer.status.ok() && i < texts.items_size(); ++i) {
    answer.status = call.context().Check();
    if (!answer.status.ok()) break;
    auto encode = std::make_shared<tei::v1::EncodeRequest>();
    encode->set_allocated_inputs(texts.mutable_items(i)->release_text());
    encode->set_add_special_tokens(special);
    if (prompt.has_value()) encode->set_prompt_name(*prompt);
    const auto encoded =
        RunOne<tei::v1::EncodeRequest, tei::v1::EncodeResponse>(call, std::move(encode), &RunTeiTokenize);
    AddReport(encoded.report, &answer.report);
    answer.status = encoded.status;
    const size_t before = list.size();
    if (i > 0) list.push_back(',');
    AppendTokens(encoded.response, &list);
    if (answer.status.ok()) answer.status = call.Reserve(static_cast<int64_t>(2 * (list.size() - before)));
  }
  list.push_back(']');
  answer.response = JsonResponse(std::move(list));
  return answer;
}

absl::Status AddIds(const json& ids, const std::string& field, tei::v1::DecodeRequest* request) {
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool fits = ids[i].is_number_unsigned() && ids[i].get<uint64_t>() <= std::numeric_limits<uint32_t>::max();
    if (!fits) return InvalidField(absl::StrCat(field, "[", i, "]"), "it is not a token id");
    request->add_ids(ids[i].get<uint32_t>());
  }
  return absl::OkStatus();
}

HttpOutcome ServeDecode(HttpCall& call) {
  auto body = ReadJson(call);
  if (!body.ok()) return {.status = body.status()};
  FieldReader fields(&*body);
  const json* ids = fields.Any("ids");
  const bool skip = fields.Bool("skip_special_tokens").value_or(true);
  HttpOutcome answer{.status = fields.Finish()};
  if (answer.status.ok() && (ids == nullptr || !ids->is_array() || ids->empty())) {
    answer.status = InvalidField("ids", "it must be a list of token ids, or a list of such lists");
  }
  if (!answer.status.ok()) return answer;
  const bool single = !ids->front().is_array();
  const size_t count = single ? 1 : ids->size();
  answer.status = CheckCount(call, "ids", count);
  std::string list = "[";
  for (size_t i = 0; answer.status.ok() && i < count; ++i) {
    const json& one = single ? *ids : (*ids)[i];
    const std::string field = single ? "ids" : absl::StrCat("ids[", i, "]");
    auto decode = std::make_shared<tei::v1::DecodeRequest>();
    decode->set_skip_special_tokens(skip);
    answer.status = one.is_array() ? AddIds(one, field, decode.get()) : InvalidField(field, "it is not a list");
    if (!answer.status.ok()) break;
    const auto decoded =
        RunOne<tei::v1::DecodeRequest, tei::v1::DecodeResponse>(call, std::move(decode), &RunTeiDecode);
    answer.status = decoded.status;
    if (i > 0) list.push_back(',');
    AppendJsonString(decoded.response.text(), &list);
    if (answer.status.ok()) answer.status = call.Reserve(static_cast<int64_t>(2 * decoded.response.text().size()));
  }
  list.push_back(']');
  answer.response = JsonResponse(std::move(list));
  return answer;
}

const char* PoolingName(const ModelInfo& model) {
  if (model.pooling.size() != 1) return "mean";  // TEI knows no combination
  switch (model.pooling.front()) {
    case PoolingMode::kCls:
      return "cls";
    case PoolingMode::kLastToken:
      return "last_token";
    case PoolingMode::kMax:
      return "max";
    case PoolingMode::kMeanSqrtLen:
      return "mean_sqrt_len";
    case PoolingMode::kWeightedMean:
      return "weighted_mean";
    case PoolingMode::kMean:
      return "mean";
  }
  return "mean";
}

HttpOutcome ServeInfo(HttpCall& call, const TeiFacts& facts) {
  const auto found = FindModel(call.core(), "");
  if (!found.ok()) return {.status = found.status()};
  const tei::v1::InfoResponse info = DescribeForTei(call.core(), facts, (*found)->info());
  std::string body = "{\"model_id\":";
  AppendJsonString(info.model_id(), &body);
  body.append(",\"model_sha\":");
  AppendJsonString(info.model_sha(), &body);
  body.append(",\"model_dtype\":");
  AppendJsonString(info.model_dtype(), &body);
  absl::StrAppend(&body, ",\"model_type\":{\"embedding\":{\"pooling\":\"", PoolingName((*found)->info()), "\"}}",
                  ",\"max_concurrent_requests\":", info.max_concurrent_requests(),
                  ",\"max_input_length\":", info.max_input_length(), ",\"max_batch_tokens\":", info.max_batch_tokens(),
                  ",\"max_batch_requests\":null,\"max_client_batch_size\":", info.max_client_batch_size(),
                  ",\"auto_truncate\":true,\"tokenization_workers\":", info.tokenization_workers(), ",\"version\":");
  AppendJsonString(info.version(), &body);
  body.append(",\"sha\":null,\"docker_label\":null}");
  return {.response = JsonResponse(std::move(body))};
}

HttpOutcome Refuse(const char* why) { return {.status = absl::UnimplementedError(why)}; }

// TEI has five kinds of error, by cause.
std::pair<const char*, int> TypeOf(const absl::Status& status) {
  constexpr int kUnprocessable = 422;
  constexpr int kFailedDependency = 424;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return {"Validation", kUnprocessable};
    case absl::StatusCode::kResourceExhausted:
      return {"Overloaded", 429};
    case absl::StatusCode::kUnavailable:
      return {"Unhealthy", 503};
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kFailedPrecondition:
      return {"Backend", kFailedDependency};
    default:
      return {"Validation", HttpStatusOf(status)};
  }
}

HttpResponse ErrorOf(const char* type, int http_status, const std::string& message) {
  std::string body = "{\"error\":";
  AppendJsonString(message, &body);
  absl::StrAppend(&body, ",\"error_type\":\"", type, "\"}");
  HttpResponse response = JsonResponse(std::move(body));
  response.status = http_status;
  return response;
}

}  // namespace

HttpResponse TeiError(const absl::Status& status) {
  auto [type, http_status] = TypeOf(status);
  const std::string message = ClippedMessage(status);
  const bool empty = message.find("is empty") != std::string::npos && absl::IsInvalidArgument(status);
  if (empty || FieldOf(status) == "(body)") http_status = 400;
  return ErrorOf(empty ? "Empty" : type, http_status, message);
}

void RegisterTei(const HttpDoorCore& core, const TeiFacts& facts, std::function<bool()> ready, HttpServer* server) {
  const auto handle = [&](const char* method, const char* path, RpcMethod rpc, HttpDoor door) {
    server->Handle(method, path, ThroughChain(core, rpc, std::move(door), &TeiError));
  };
  const HttpDoor embed = [](HttpCall& call) { return ServeEmbed(call, v1::OUTPUT_POOLED); };
  handle("POST", "/embed", RpcMethod::kTeiHttpEmbed, embed);
  handle("POST", "/", RpcMethod::kTeiHttpEmbed, embed);
  handle("POST", "/embed_all", RpcMethod::kTeiHttpEmbedAll,
         [](HttpCall& call) { return ServeEmbed(call, v1::OUTPUT_TOKENS); });
  handle("POST", "/tokenize", RpcMethod::kTeiHttpTokenize, &ServeTokenize);
  handle("POST", "/decode", RpcMethod::kTeiHttpDecode, &ServeDecode);
  handle("GET", "/info", RpcMethod::kTeiHttpInfo, [&facts](HttpCall& call) { return ServeInfo(call, facts); });
  handle("POST", "/predict", RpcMethod::kTeiHttpNotOffered,
         [](HttpCall&) { return Refuse("model is not a classifier model"); });
  handle("POST", "/rerank", RpcMethod::kTeiHttpNotOffered,
         [](HttpCall&) { return Refuse("model is not a re-ranker model"); });
  handle("POST", "/embed_sparse", RpcMethod::kTeiHttpNotOffered,
         [](HttpCall&) { return Refuse("model is not a sparse embedding model"); });
  const HttpHandler health = [ready = std::move(ready)](HttpRequest&) {
    return ready() ? HttpResponse{} : ErrorOf("Unhealthy", 503, "unhealthy");
  };
  server->Handle("GET", "/health", health);
  server->Handle("GET", "/ping", health);
}

}  // namespace attendant
