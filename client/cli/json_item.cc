#include "client/cli/json_item.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace attendant::cli {
namespace {

using nlohmann::json;

absl::Status Fault(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::StatusOr<std::vector<int32_t>> ParseIds(const json& list, const char* key) {
  if (!list.is_array()) return Fault(absl::StrCat("\"", key, "\" is not a list of integers"));
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const json& value = list[i];
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() || value.get<uint64_t>() <= INT32_MAX) &&
                      value.get<int64_t>() >= INT32_MIN && value.get<int64_t>() <= INT32_MAX;
    if (!fits) return Fault(absl::StrCat("\"", key, "\"[", i, "] is not a 32-bit integer"));
    ids.push_back(value.get<int32_t>());
  }
  return ids;
}

absl::StatusOr<client::Item> ParseTokens(const json& object) {
  client::TokenIds tokens;
  auto ids = ParseIds(object["ids"], "ids");
  if (!ids.ok()) return ids.status();
  tokens.input_ids = *std::move(ids);
  if (object.contains("type_ids")) {
    auto type_ids = ParseIds(object["type_ids"], "type_ids");
    if (!type_ids.ok()) return type_ids.status();
    tokens.token_type_ids = *std::move(type_ids);
    if (tokens.token_type_ids.size() != tokens.input_ids.size()) {
      return Fault(absl::StrCat("\"type_ids\" has ", tokens.token_type_ids.size(), " values, \"ids\" has ",
                                tokens.input_ids.size()));
    }
  }
  if (object.contains("add_special_tokens")) {
    if (!object["add_special_tokens"].is_boolean()) return Fault("\"add_special_tokens\" is not true or false");
    tokens.add_special_tokens = object["add_special_tokens"].get<bool>();
  }
  return client::Item(std::move(tokens));
}

absl::StatusOr<client::Item> FromObject(const json& object) {
  if (!object.is_object()) return Fault("the line is not a JSON object");
  const size_t inputs = object.count("text") + object.count("pair") + object.count("ids");
  if (inputs != 1) return Fault("the object needs exactly one of \"text\", \"pair\" and \"ids\"");
  if (object.contains("text")) {
    if (!object["text"].is_string()) return Fault("\"text\" is not a string");
    return client::Item(object["text"].get<std::string>());
  }
  if (object.contains("pair")) {
    const json& pair = object["pair"];
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return Fault("\"pair\" is not a list of two strings");
    }
    return client::Item(client::TextPair{pair[0].get<std::string>(), pair[1].get<std::string>()});
  }
  return ParseTokens(object);
}

}  // namespace

absl::StatusOr<client::Item> ParseJsonItem(const std::string& line) {
  try {
    return FromObject(json::parse(line));
  } catch (const json::parse_error& error) {
    return Fault(absl::StrCat("not valid JSON at column ", error.byte));
  } catch (const json::exception& error) {
    // Such as a number out of range; the library has no other way to say so.
    return Fault(absl::StrCat("not valid JSON: ", error.what()));
  }
}

}  // namespace attendant::cli
