// A JSON value with the path that leads to it, so that an error can name its place. Readers ask for everything they
// need and look at the document's status once: after the first error all answers are empty. Thread-safety: belongs to
// one load. A node borrows its document.
#ifndef ATTENDANT_ENGINE_TOKENIZER_JSON_NODE_H_
#define ATTENDANT_ENGINE_TOKENIZER_JSON_NODE_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace attendant {

class JsonNode;

class JsonDocument {
 public:
  // INVALID_ARGUMENT (see status) when text is not JSON or is nested deeper than 64 levels. name: of the file.
  // filter: sees each value as it is parsed and says whether to keep it; none: all are kept.
  JsonDocument(std::string_view text, std::string name, const nlohmann::json::parser_callback_t& filter = nullptr);
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  JsonNode Root();
  const std::string& name() const { return name_; }
  const absl::Status& status() const { return status_; }
  // Keeps the first.
  void Fail(absl::StatusCode code, const std::string& message);

 private:
  nlohmann::json root_;
  std::string name_;
  absl::Status status_;
};

class JsonNode {
 public:
  // value may be null: the key is absent.
  JsonNode(const nlohmann::json* value, std::string path, JsonDocument& document)
      : value_(value), path_(std::move(path)), document_(&document) {}

  bool Exists() const { return value_ != nullptr && !value_->is_null(); }
  bool IsString() const { return value_ != nullptr && value_->is_string(); }
  bool IsObject() const { return value_ != nullptr && value_->is_object(); }
  // A member of an object; absent when there is none. Anything but an object is an error.
  JsonNode Get(const char* key) const;
  // Elements of an array. Anything else has none, and is an error.
  size_t Size() const;
  JsonNode Element(size_t index) const;

  // Required values.
  bool Bool() const;
  int64_t Integer(int64_t min, int64_t max) const;
  std::string String() const;
  // The object itself, an empty one if it is none (an error).
  const nlohmann::json& Object() const;

  // Records an error about this node.
  void Fail(const std::string& message) const;
  void Unsupported(const std::string& message) const;
  const std::string& path() const { return path_; }

 private:
  void FailType(const char* expected) const;

  const nlohmann::json* value_;
  std::string path_;
  JsonDocument* document_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_JSON_NODE_H_
