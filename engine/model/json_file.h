// Typed reading of the small JSON files of a model directory, with errors that name the file, the key and what was
// found.
#ifndef ATTENDANT_ENGINE_MODEL_JSON_FILE_H_
#define ATTENDANT_ENGINE_MODEL_JSON_FILE_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace attendant {

// Files above this size are refused; the largest real ones are a few kilobytes (tokenizer.json is not read through
// here).
inline constexpr int64_t kMaxJsonFileBytes = 16 << 20;

// NOT_FOUND when there is no such file, INVALID_ARGUMENT when it is not JSON or nested deeper than 64 levels.
absl::StatusOr<nlohmann::json> ReadJsonFile(const std::string& path);
absl::StatusOr<nlohmann::json> ParseJson(const std::string& text, const std::string& name);

// A view of one JSON object that remembers the first error, so that a reader asks for all its keys and checks once.
class JsonObject {
 public:
  // object must outlive this.
  JsonObject(const nlohmann::json& object, std::string file);

  // Required; min <= value <= max.
  int64_t Integer(const char* key, int64_t min, int64_t max);
  // Absent or null: the default.
  int64_t IntegerOr(const char* key, int64_t otherwise, int64_t min, int64_t max);
  double NumberOr(const char* key, double otherwise);
  std::string StringOr(const char* key, const std::string& otherwise);
  bool BoolOr(const char* key, bool otherwise);
  bool Has(const char* key) const;  // present and not null

  void Fail(const std::string& message);
  const absl::Status& status() const { return status_; }

 private:
  const nlohmann::json* Find(const char* key) const;
  void FailType(const char* key, const char* expected, const nlohmann::json& found);

  const nlohmann::json& object_;
  std::string file_;
  absl::Status status_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_JSON_FILE_H_
