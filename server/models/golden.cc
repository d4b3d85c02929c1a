#include "server/models/golden.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

using nlohmann::json;

// Hundreds of texts with vectors of a thousand numbers are some 10 MiB.
constexpr std::uintmax_t kMaxFileBytes = 64 << 20;
constexpr size_t kMaxItems = 1000;
// fp32 differs by rounding between instruction sets of other makers only; bf16 and int8 by what the drift gate lets
// through (engine/precision_gate.cc), with room for another CPU's choice of layers.
const std::map<std::string, double> kMinCosine = {{"fp32", 0.99999}, {"bf16", 0.999}, {"int8", 0.98}};

class Reader {
 public:
  Reader(const json& root, const std::string& name) : root_(root), name_(name) {}

  absl::StatusOr<Golden> Read() {
    if (!root_.is_object()) return Error("it is not a JSON object");
    if (String("format") != "attendant-golden-1") return Error("\"format\" is not \"attendant-golden-1\"");
    golden_.precision = String("precision");
    golden_.fingerprint = String("fingerprint");
    if (kMinCosine.count(golden_.precision) == 0) return Error("\"precision\" is not fp32, bf16 or int8");
    if (!Number("dimension", &golden_.dimension)) return Error("\"dimension\" is not a positive integer");
    if (!Number("max_tokens", &golden_.max_tokens)) return Error("\"max_tokens\" is not a positive integer");
    const auto normalize = root_.find("normalize");
    if (normalize == root_.end() || !normalize->is_boolean()) return Error("\"normalize\" is not true or false");
    golden_.normalize = normalize->get<bool>();
    if (absl::Status status = ReadPooling(); !status.ok()) return status;
    if (absl::Status status = ReadMinCosine(); !status.ok()) return status;
    if (absl::Status status = ReadItems(); !status.ok()) return status;
    return std::move(golden_);
  }

 private:
  absl::Status Error(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": ", what));
  }

  std::string String(const char* key) const {
    const auto value = root_.find(key);
    return value != root_.end() && value->is_string() ? value->get<std::string>() : "";
  }

  bool Number(const char* key, int32_t* out) const {
    const auto value = root_.find(key);
    if (value == root_.end() || !value->is_number_unsigned()) return false;
    const auto number = value->get<uint64_t>();
    *out = static_cast<int32_t>(std::min<uint64_t>(number, INT32_MAX));
    return number > 0 && number <= INT32_MAX;
  }

  absl::Status ReadPooling() {
    const auto pooling = root_.find("pooling");
    if (pooling == root_.end() || !pooling->is_array()) return Error("\"pooling\" is not a list");
    for (const json& mode : *pooling) {
      if (!mode.is_string()) return Error("\"pooling\" is not a list of names");
      golden_.pooling.push_back(mode.get<std::string>());
    }
    return absl::OkStatus();
  }

  absl::Status ReadMinCosine() {
    golden_.min_cosine = kMinCosine;
    const auto limits = root_.find("min_cosine");
    if (limits == root_.end()) return absl::OkStatus();
    if (!limits->is_object()) return Error("\"min_cosine\" is not an object");
    for (const auto& [precision, value] : limits->items()) {
      const bool known = kMinCosine.count(precision) > 0;
      if (!known || !value.is_number() || !(value.get<double>() > 0 && value.get<double>() <= 1)) {
        return Error("\"min_cosine\" gives fp32, bf16 and int8 a number above 0 and at most 1");
      }
      golden_.min_cosine[precision] = value.get<double>();
    }
    return absl::OkStatus();
  }

  absl::Status ReadItems() {
    const auto items = root_.find("items");
    if (items == root_.end() || !items->is_array() || items->empty())
      return Error("\"items\" is not a list with items");
    if (items->size() > kMaxItems) {
      return Error(absl::StrCat("\"items\" has ", items->size(), " items, more than ", kMaxItems));
    }
    for (size_t i = 0; i < items->size(); ++i) {
      const json& item = (*items)[i];
      const bool complete = item.is_object() && item.contains("text") && item["text"].is_string() &&
                            item.contains("vector") && item["vector"].is_array();
      if (!complete) return Error(absl::StrCat("items[", i, "] is not {\"text\": ..., \"vector\": [...]}"));
      Golden::Item read{item["text"].get<std::string>(), {}};
      for (const json& value : item["vector"]) {
        if (!value.is_number()) return Error(absl::StrCat("items[", i, "].vector has something that is no number"));
        read.vector.push_back(value.get<float>());
      }
      if (static_cast<int64_t>(read.vector.size()) != golden_.dimension) {
        return Error(absl::StrCat("items[", i, "].vector has ", read.vector.size(), " values, \"dimension\" is ",
                                  golden_.dimension));
      }
      golden_.items.push_back(std::move(read));
    }
    return absl::OkStatus();
  }

  const json& root_;
  const std::string& name_;
  Golden golden_;
};

}  // namespace

double Golden::MinCosine(const std::string& precision_of_model) const {
  double limit = 1;
  for (const std::string& side : {precision, precision_of_model}) {
    const auto found = min_cosine.find(side);
    if (found != min_cosine.end()) limit = std::min(limit, found->second);
  }
  return limit;
}

absl::StatusOr<Golden> ParseGolden(std::string_view text, const std::string& name) {
  const json root = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(name, ": it is not JSON"));
  return Reader(root, name).Read();
}

absl::StatusOr<std::optional<Golden>> ReadGolden(const std::string& directory) {
  const std::string path = directory + "/" + kGoldenFile;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::optional<Golden>();
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.message()));
  if (size > kMaxFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", size, " bytes, more than ", kMaxFileBytes));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.good() && !file.eof()) return absl::InvalidArgumentError(absl::StrCat(path, ": it cannot be read"));
  auto golden = ParseGolden(text, path);
  if (!golden.ok()) return golden.status();
  return std::optional<Golden>(*std::move(golden));
}

}  // namespace attendant
