#include "engine/model/json_file.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr int kMaxDepth = 64;

// Short enough for a log line.
std::string Excerpt(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(const std::string& text, const std::string& name) {
  bool too_deep = false;
  const auto limit_depth = [&too_deep](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kMaxDepth) too_deep = true;
    return !too_deep;
  };
  nlohmann::json json = nlohmann::json::parse(text, limit_depth, /*allow_exceptions=*/false);
  if (too_deep) return absl::InvalidArgumentError(absl::StrCat(name, ": nested deeper than ", kMaxDepth, " levels"));
  if (json.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(name, ": not valid JSON"));
  return json;
}

absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return absl::NotFoundError(absl::StrCat(path, ": ", error.message()));
  if (size > static_cast<uintmax_t>(kMaxJsonFileBytes)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", size, " bytes, more than ", kMaxJsonFileBytes));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return absl::UnavailableError(absl::StrCat(path, ": cannot be read"));
  return ParseJson(text, path);
}

JsonObject::JsonObject(const nlohmann::json& object, std::string file) : object_(object), file_(std::move(file)) {
  if (!object.is_object()) Fail(absl::StrCat("expected an object, found ", Excerpt(object)));
}

const nlohmann::json* JsonObject::Find(const char* key) const {
  if (!object_.is_object()) return nullptr;
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

bool JsonObject::Has(const char* key) const { return Find(key) != nullptr; }

void JsonObject::Fail(const std::string& message) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(file_, ": ", message));
}

void JsonObject::FailType(const char* key, const char* expected, const nlohmann::json& found) {
  Fail(absl::StrCat("\"", key, "\": expected ", expected, ", found ", Excerpt(found)));
}

int64_t JsonObject::Integer(const char* key, int64_t min, int64_t max) {
  if (Find(key) == nullptr) {
    Fail(absl::StrCat("\"", key, "\" is missing"));
    return min;
  }
  return IntegerOr(key, min, min, max);
}

int64_t JsonObject::IntegerOr(const char* key, int64_t otherwise, int64_t min, int64_t max) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return otherwise;
  int64_t result = 0;
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(max)) {
    result = -1;
  } else if (value->is_number_integer()) {
    result = value->get<int64_t>();
  } else if (value->is_number_float() && std::abs(value->get<double>()) < 1e15 &&
             value->get<double>() == std::floor(value->get<double>())) {
    result = static_cast<int64_t>(value->get<double>());
  } else {
    FailType(key, "an integer", *value);
    return otherwise;
  }
  if (result < min || result > max) {
    FailType(key, absl::StrCat("an integer from ", min, " to ", max).c_str(), *value);
    return otherwise;
  }
  return result;
}

double JsonObject::NumberOr(const char* key, double otherwise) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_number()) {
    FailType(key, "a number", *value);
    return otherwise;
  }
  return value->get<double>();
}

std::string JsonObject::StringOr(const char* key, const std::string& otherwise) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) {
    FailType(key, "a string", *value);
    return otherwise;
  }
  return value->get<std::string>();
}

bool JsonObject::BoolOr(const char* key, bool otherwise) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) {
    FailType(key, "true or false", *value);
    return otherwise;
  }
  return value->get<bool>();
}

}  // namespace attendant
