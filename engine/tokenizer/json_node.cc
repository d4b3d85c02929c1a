#include "engine/tokenizer/json_node.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr int kMaxDepth = 64;

// Looked at before parsing: a parser's memory and its destructors' stack grow with the depth.
bool NestedTooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

}  // namespace

JsonDocument::JsonDocument(std::string_view text, std::string name, const nlohmann::json::parser_callback_t& filter)
    : name_(std::move(name)) {
  if (NestedTooDeep(text)) {
    Fail(absl::StatusCode::kInvalidArgument, absl::StrCat("nested deeper than ", kMaxDepth, " levels"));
    return;
  }
  try {
    root_ = nlohmann::json::parse(text.begin(), text.end(), filter);
  } catch (const nlohmann::json::parse_error& error) {
    Fail(absl::StatusCode::kInvalidArgument, absl::StrCat("not JSON near byte ", error.byte));
  } catch (const nlohmann::json::exception& error) {
    Fail(absl::StatusCode::kInvalidArgument, absl::StrCat("not JSON: ", error.what()));
  }
}

JsonNode JsonDocument::Root() { return JsonNode(&root_, "", *this); }

void JsonDocument::Fail(absl::StatusCode code, const std::string& message) {
  if (status_.ok()) status_ = absl::Status(code, absl::StrCat(name_, ": ", message));
}

JsonNode JsonNode::Get(const char* key) const {
  std::string path = path_.empty() ? key : absl::StrCat(path_, ".", key);
  if (!IsObject()) {
    FailType("an object");
    return JsonNode(nullptr, std::move(path), *document_);
  }
  const auto found = value_->find(key);
  return JsonNode(found == value_->end() ? nullptr : &*found, std::move(path), *document_);
}

size_t JsonNode::Size() const {
  if (value_ != nullptr && value_->is_array()) return value_->size();
  FailType("an array");
  return 0;
}

JsonNode JsonNode::Element(size_t index) const {
  return JsonNode(&(*value_)[index], absl::StrCat(path_, "[", index, "]"), *document_);
}

bool JsonNode::Bool() const {
  if (value_ != nullptr && value_->is_boolean()) return value_->get<bool>();
  FailType("true or false");
  return false;
}

int64_t JsonNode::Integer(int64_t min, int64_t max) const {
  if (value_ == nullptr || !value_->is_number_integer()) {
    FailType("an integer");
    return min;
  }
  // An unsigned value above the signed range would wrap.
  const bool huge = value_->is_number_unsigned() && value_->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  const int64_t value = huge ? INT64_MAX : value_->get<int64_t>();
  if (value < min || value > max) Fail(absl::StrCat("is ", value_->dump(), ", not from ", min, " to ", max));
  return std::clamp(value, min, max);
}

std::string JsonNode::String() const {
  if (IsString()) return value_->get<std::string>();
  FailType("a string");
  return "";
}

const nlohmann::json& JsonNode::Object() const {
  static const nlohmann::json* const kEmpty = new nlohmann::json(nlohmann::json::object());
  if (IsObject()) return *value_;
  FailType("an object");
  return *kEmpty;
}

void JsonNode::Fail(const std::string& message) const {
  document_->Fail(absl::StatusCode::kInvalidArgument, absl::StrCat(path_, path_.empty() ? "" : " ", message));
}

void JsonNode::Unsupported(const std::string& message) const {
  document_->Fail(absl::StatusCode::kUnimplemented, absl::StrCat(path_, path_.empty() ? "" : " ", message));
}

void JsonNode::FailType(const char* expected) const {
  Fail(value_ == nullptr ? absl::StrCat("is missing; it must be ", expected)
                         : absl::StrCat("must be ", expected, ", found ", value_->type_name()));
}

}  // namespace attendant
