#include "server/http/api/cohere.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/http/api/embed_door.h"
#include "server/http/api/json_writer.h"
#include "server/rpc/embed_settings.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

using nlohmann::json;

// The ways in which Cohere's answers hold vectors.
enum class Form { kNumbers, kBase64, kSignedBytes, kUnsignedBytes };

struct EmbeddingType {
  const char* name;
  Form form;
  v1::Encoding encoding;  // of the bytes
};

constexpr std::array<EmbeddingType, 6> kTypes{{{"float", Form::kNumbers, v1::ENCODING_UNSPECIFIED},
                                               {"base64", Form::kBase64, v1::ENCODING_UNSPECIFIED},
                                               {"int8", Form::kSignedBytes, v1::ENCODING_INT8},
                                               {"uint8", Form::kUnsignedBytes, v1::ENCODING_UINT8},
                                               {"binary", Form::kSignedBytes, v1::ENCODING_BINARY},
                                               {"ubinary", Form::kUnsignedBytes, v1::ENCODING_UBINARY}}};

const ItemsOptions kTexts{
    .field = "texts", .ids = IdsPolicy::kRefused, .why_no_ids = "it is not a string", .dimensions = "output_dimension"};

// A type that was asked for, and how the model's vectors become it.
struct WantedType {
  const EmbeddingType* type = nullptr;
  EmbedSettings settings;
};

struct EmbedRequest {
  std::shared_ptr<v1::EmbedRequest> native = std::make_shared<v1::EmbedRequest>();
  std::vector<WantedType> types;
};

// A version 4 UUID. It names a request in nobody's books, so a bad source of chance would do no harm.
std::string NewId() {
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), GRND_NONBLOCK) < 0) bytes.fill(0);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3F) | 0x80);
  std::string id = absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  for (const size_t dash : {20, 16, 12, 8}) id.insert(dash, "-");
  return id;
}

// The names under which models have the prompt for what Cohere calls by this word.
std::vector<std::string> PromptNames(const std::string& input_type) {
  if (input_type == "search_query") return {"search_query", "query"};
  if (input_type == "search_document") return {"search_document", "document", "passage"};
  return {input_type};
}

void ChoosePrompt(const ModelInfo& model, const std::string& input_type, v1::EmbedOptions* options) {
  for (const std::string& name : PromptNames(input_type)) {
    if (model.prompts.count(name) > 0) return options->set_prompt_name(name);
  }
}

v1::Truncation ToTruncation(const std::string& word) {
  return word == "none" ? v1::TRUNCATION_ERROR : word == "start" ? v1::TRUNCATION_START : v1::TRUNCATION_END;
}

// The form with parts: [{"content": [{"type": "text", "text": ...}]}]. Each becomes a text.
absl::Status ReadParts(json& inputs, json* texts) {
  *texts = json::array();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string path = absl::StrCat("inputs[", i, "].content");
    if (!inputs[i].is_object() || !inputs[i].contains("content") || !inputs[i]["content"].is_array()) {
      return InvalidField(path, "it is not a list of parts");
    }
    std::string text;
    for (json& part : inputs[i]["content"]) {
      if (!part.is_object() || part.value("type", json()) != "text" || !part.value("text", json()).is_string()) {
        return InvalidField(path, "this server's models take parts of type text only");
      }
      absl::StrAppend(&text, text.empty() ? "" : "\n", part["text"].get_ref<const std::string&>());
    }
    texts->push_back(std::move(text));
  }
  return absl::OkStatus();
}

absl::Status ReadTypes(const json* types, std::vector<WantedType>* out) {
  if (types == nullptr) {
    out->push_back({.type = &kTypes.front(), .settings = {}});
    return absl::OkStatus();
  }
  if (!types->is_array() || types->empty()) return InvalidField("embedding_types", "it is not a list of types");
  for (size_t i = 0; i < types->size(); ++i) {
    const auto known =
        std::find_if(kTypes.begin(), kTypes.end(), [&](const EmbeddingType& type) { return (*types)[i] == type.name; });
    if (known == kTypes.end()) {
      return InvalidField(absl::StrCat("embedding_types[", i, "]"),
                          "it is not one of float, base64, int8, uint8, binary, ubinary");
    }
    const bool twice = std::any_of(out->begin(), out->end(), [&](const WantedType& w) { return w.type == &*known; });
    if (!twice) out->push_back({.type = &*known, .settings = {}});
  }
  return absl::OkStatus();
}

// The vectors come once, as numbers; each other type is made of these, as the native options would make it.
absl::Status ChooseEncodings(const ServiceCore& core, const ServedModel& model, EmbedRequest* request) {
  for (WantedType& wanted : request->types) {
    v1::EmbedOptions options = request->native->options();
    options.set_encoding(wanted.type->encoding);
    auto settings = ToEmbedSettings(options, model, core.limits);
    if (!settings.ok()) return Renamed(settings.status(), kTexts);
    wanted.settings = *std::move(settings);
  }
  return absl::OkStatus();
}

absl::StatusOr<EmbedRequest> ReadRequest(HttpCall& call) {
  auto body = ReadJson(call);
  if (!body.ok()) return body.status();
  EmbedRequest request;
  FieldReader fields(&*body);
  json* texts = fields.Any("texts");
  json* inputs = fields.Any("inputs");
  const bool images = fields.Any("images") != nullptr;
  const json* types = fields.Any("embedding_types");
  request.native->set_model(fields.String("model").value_or(""));
  const std::string input_type =
      fields.Word("input_type", {"search_document", "search_query", "classification", "clustering", "image"})
          .value_or("");
  const std::string truncate = fields.Word("truncate", {"none", "start", "end"}).value_or("end");
  ReadDimensions(&fields, kTexts.dimensions, request.native->mutable_options());
  for (const char* hint : {"max_tokens", "priority"}) fields.Any(hint);  // of billing and queues that are not ours
  absl::Status status = fields.Finish();
  if (status.ok() && (images || input_type == "image")) {
    status = InvalidField("images", "this server's models take texts only");
  }
  json parts;
  if (status.ok() && inputs != nullptr && texts == nullptr && inputs->is_array()) {
    status = ReadParts(*inputs, &parts);
    texts = &parts;
  }
  if (status.ok() && texts != nullptr && !texts->is_array()) status = InvalidField("texts", "it is not a list");
  if (status.ok()) status = AddItems(texts, kTexts, request.native.get()).status();
  if (status.ok()) status = ReadTypes(types, &request.types);
  const auto model = FindModel(call.core(), call.context(), request.native->model());
  if (status.ok()) status = model.status();
  if (!status.ok()) return status;
  request.native->mutable_options()->set_truncation(ToTruncation(truncate));
  ChoosePrompt((*model)->info(), input_type, request.native->mutable_options());
  status = ChooseEncodings(call.core(), *(*model)->served, &request);
  if (!status.ok()) return status;
  return request;
}

void AppendVector(const v1::EmbedResult& result, const WantedType& wanted, std::string* out) {
  const auto& values = result.embedding().values();
  const std::span<const float> vector(values.data(), static_cast<size_t>(values.size()));
  const Form form = wanted.type->form;
  if (form == Form::kNumbers) return AppendJsonFloats(vector, out);
  if (form == Form::kBase64) {
    out->push_back('"');
    AppendBase64(vector, out);
    out->push_back('"');
    return;
  }
  v1::Embedding encoded;
  SetEmbedding({vector.begin(), vector.end()}, std::nullopt, wanted.settings.format, &encoded);
  char separator = '[';
  for (const char byte : encoded.packed()) {
    out->push_back(separator);
    separator = ',';
    const bool is_signed = form == Form::kSignedBytes;
    AppendJsonNumber(is_signed ? int64_t{static_cast<signed char>(byte)} : int64_t{static_cast<unsigned char>(byte)},
                     out);
  }
  out->push_back(']');
}

std::string Ending(const EmbedRequest& request, const v1::EmbedResponse& embedded) {
  int64_t tokens = 0;
  for (const v1::EmbedResult& result : embedded.results()) tokens += result.tokens_used();
  std::string end = "]},\"texts\":[";
  for (int i = 0; i < request.native->items_size(); ++i) {
    if (i > 0) end.push_back(',');
    AppendJsonString(request.native->items(i).text(), &end);
  }
  absl::StrAppend(&end, "],\"meta\":{\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"input_tokens\":", tokens,
                  "}},\"response_type\":\"embeddings_by_type\"}");
  return end;
}

HttpResponse ToAnswer(EmbedRequest request, v1::EmbedResponse embedded) {
  std::string end = Ending(request, embedded);
  const int count = embedded.results_size();
  const auto vectors = std::make_shared<const v1::EmbedResponse>(std::move(embedded));
  // The vectors of one type after those of the other.
  const bool noise = request.types.size() == 1 && request.types.front().type->form == Form::kBase64;
  const size_t num_types = request.types.size();
  const auto item = [vectors, types = std::move(request.types), count](int i, std::string* out) {
    const WantedType& wanted = types[static_cast<size_t>(i / count)];
    if (i % count == 0) {
      absl::StrAppend(out, i > 0 ? "],\"" : "\"", wanted.type->name, "\":[");
    } else {
      out->push_back(',');
    }
    AppendVector(vectors->results(i % count), wanted, out);
  };
  return ListResponse({.begin = absl::StrCat("{\"id\":\"", NewId(), "\",\"embeddings\":{"),
                       .count = count * static_cast<int>(num_types),
                       .item = item,
                       .end = std::move(end),
                       .compression = noise ? Compression::kNever : Compression::kIfWanted});
}

HttpOutcome ServeEmbed(HttpCall& call) {
  auto request = ReadRequest(call);
  if (!request.ok()) return {.status = request.status()};
  auto outcome = RunWhole(call, request->native, kTexts, false);
  if (!outcome.status.ok()) return {.status = std::move(outcome.status), .report = std::move(outcome.report)};
  return {.report = std::move(outcome.report), .response = ToAnswer(*std::move(request), std::move(outcome.response))};
}

}  // namespace

HttpResponse CohereError(const absl::Status& status) {
  std::string body = "{\"message\":";
  AppendJsonString(ClippedMessage(status), &body);
  body.append("}");
  HttpResponse response = JsonResponse(std::move(body));
  response.status = HttpStatusOf(status);
  return response;
}

void RegisterCohere(const HttpDoorCore& core, HttpServer* server) {
  server->Handle("POST", "/v2/embed", ThroughChain(core, RpcMethod::kCohereEmbed, &ServeEmbed, &CohereError));
}

}  // namespace attendant
