#include "server/http/api/embed_door.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/http/api/json_reader.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/foreign_answer.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

using nlohmann::json;

// Of an answer, what is made at a time.
constexpr size_t kPieceBytes = 32 * 1024;
// Of a caller's word in an error.
constexpr size_t kMaxNameBytes = 64;

absl::Status AddIds(json& ids, const std::string& path, IdsPolicy policy, v1::Item* item) {
  v1::TokenSequence* tokens = item->mutable_tokens();
  tokens->set_add_special_tokens(policy == IdsPolicy::kWithSpecialTokens);
  for (size_t i = 0; i < ids.size(); ++i) {
    const json& id = ids[i];
    const bool fits = id.is_number_unsigned() && id.get<uint64_t>() <= std::numeric_limits<int32_t>::max();
    if (!fits) return InvalidField(absl::StrCat(path, "[", i, "]"), "it is not a token id");
    tokens->add_input_ids(id.get<int32_t>());
  }
  return absl::OkStatus();
}

}  // namespace

FieldReader::FieldReader(json* object) : object_(object) {
  if (!object->is_object()) Fail(InvalidField("(body)", "it is not a JSON object"));
}

void FieldReader::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

json* FieldReader::Find(const char* name, bool (*is_type)(const json&), const char* type) {
  known_.insert(name);
  if (!object_->is_object()) return nullptr;
  const auto it = object_->find(name);
  if (it == object_->end() || it->is_null()) return nullptr;
  if (is_type(*it)) return &*it;
  Fail(InvalidField(name, absl::StrCat("it is not ", type)));
  return nullptr;
}

std::optional<std::string> FieldReader::String(const char* name) {
  json* value = Find(
      name, [](const json& field) { return field.is_string(); }, "a string");
  if (value == nullptr) return std::nullopt;
  return std::move(value->get_ref<std::string&>());
}

std::optional<bool> FieldReader::Bool(const char* name) {
  const json* value = Find(
      name, [](const json& field) { return field.is_boolean(); }, "true or false");
  if (value == nullptr) return std::nullopt;
  return value->get<bool>();
}

std::optional<int64_t> FieldReader::Integer(const char* name, int64_t min, int64_t max) {
  const json* value = Find(
      name, [](const json& field) { return field.is_number_integer(); }, "a whole number");
  if (value == nullptr) return std::nullopt;
  const bool huge = value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(max);
  const int64_t number = huge ? max : value->get<int64_t>();
  if (huge || number < min || number > max) {
    Fail(InvalidField(name, absl::StrCat("it is not between ", min, " and ", max)));
    return std::nullopt;
  }
  return number;
}

std::optional<std::string> FieldReader::Word(const char* name, const std::set<std::string>& words) {
  std::optional<std::string> word = String(name);
  if (!word.has_value()) return std::nullopt;
  absl::AsciiStrToLower(&*word);
  if (words.count(*word) > 0) return word;
  Fail(InvalidField(name, absl::StrCat(Quoted(*word), " is none of ", absl::StrJoin(words, ", "))));
  return std::nullopt;
}

json* FieldReader::Any(const char* name) {
  return Find(
      name, [](const json&) { return true; }, "");
}

absl::Status FieldReader::Finish() {
  if (!status_.ok()) return status_;
  for (const auto& [name, value] : object_->items()) {
    if (known_.count(name) == 0) {
      return InvalidField(name.substr(0, kMaxNameBytes),
                          absl::StrCat("there is no such field; there are ", absl::StrJoin(known_, ", ")));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<json> ReadJson(HttpCall& call) {
  const absl::StatusOr<std::string> body = call.ReadBody();
  if (!body.ok()) return body.status();
  // The texts are there twice, until they have moved.
  absl::Status reserved = call.Reserve(JsonTreeBytes(*body) + static_cast<int64_t>(body->size()));
  if (!reserved.ok()) return reserved;
  return ParseJson(*body);
}

absl::StatusOr<bool> AddItems(json* inputs, const ItemsOptions& options, v1::EmbedRequest* request) {
  const std::string& field = options.field;
  if (inputs == nullptr) return InvalidField(field, "it is missing");
  if (inputs->is_string()) {
    request->add_items()->set_text(std::move(inputs->get_ref<std::string&>()));
    return true;
  }
  if (!inputs->is_array()) return InvalidField(field, "it is neither a string nor a list");
  if (inputs->empty()) return InvalidField(field, "the list is empty");
  const auto refused = [&options](const std::string& path) { return InvalidField(path, options.why_no_ids); };
  if (inputs->front().is_number()) {
    if (options.ids == IdsPolicy::kRefused) return refused(field);
    absl::Status status = AddIds(*inputs, field, options.ids, request->add_items());
    if (!status.ok()) return status;
    return true;
  }
  for (size_t i = 0; i < inputs->size(); ++i) {
    json& input = (*inputs)[i];
    const std::string path = absl::StrCat(field, "[", i, "]");
    if (input.is_string()) {
      request->add_items()->set_text(std::move(input.get_ref<std::string&>()));
      continue;
    }
    if (!input.is_array()) return InvalidField(path, "it is neither a string nor a list of token ids");
    if (options.ids == IdsPolicy::kRefused) return refused(path);
    if (absl::Status status = AddIds(input, path, options.ids, request->add_items()); !status.ok()) return status;
  }
  return false;
}

absl::Status Renamed(const absl::Status& status, const ItemsOptions& options) {
  constexpr char kOptions[] = "options.";
  const std::string native = FieldOf(status);
  if (native == "items") return RenameField(status, native, options.field);
  if (native == "options.dimensions") return RenameField(status, native, options.dimensions);
  if (!absl::StartsWith(native, kOptions)) return status;
  return RenameField(status, native, native.substr(sizeof kOptions - 1));
}

Outcome<v1::EmbedResponse> RunWhole(HttpCall& call, std::shared_ptr<const v1::EmbedRequest> request,
                                    const ItemsOptions& options, bool single) {
  auto outcome = call.Run<v1::EmbedResponse>([&](Done<v1::EmbedResponse> done) {
    RunEmbed(call.core(), call.context(), std::move(request), std::move(done));
  });
  outcome.status = Renamed(outcome.status, options);
  for (int i = 0; outcome.status.ok() && i < outcome.response.results_size(); ++i) {
    if (!outcome.response.results(i).has_status()) continue;
    const std::string path = single ? options.field : absl::StrCat(options.field, "[", i, "]");
    outcome.status = ToCallStatus(outcome.response.results(i).status(), path);
  }
  return outcome;
}

void ReadDimensions(FieldReader* fields, const std::string& field, v1::EmbedOptions* options) {
  const auto dimensions = fields->Integer(field.c_str(), 1, std::numeric_limits<int32_t>::max());
  if (dimensions.has_value()) options->set_dimensions(static_cast<int32_t>(*dimensions));
  options->set_allow_untrained_dimensions(fields->Bool("allow_untrained_dimensions").value_or(false));
}

HttpResponse ListResponse(ListBody list) {
  HttpResponse response = JsonResponse(list.begin, list.compression);
  const auto append = [list = std::move(list), next = 0](std::string* out) mutable {
    for (; next < list.count && out->size() < kPieceBytes; ++next) {
      list.item(next, out);
    }
    if (next < list.count) return true;
    out->append(list.end);
    return false;
  };
  BodyProducer rest = append;
  if (rest(&response.body)) response.rest = std::move(rest);
  return response;
}

}  // namespace attendant
