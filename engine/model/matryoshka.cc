#include "engine/model/matryoshka.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "engine/model/json_file.h"

namespace attendant {
namespace {

constexpr int64_t kMaxDimension = 65'536 * 6;  // the widest hidden size, in all poolings
constexpr size_t kMaxDimensions = 64;
// Cards are some tens of kilobytes, most of it examples.
constexpr size_t kMaxCardBytes = 1 << 20;

void SortUnique(std::vector<int32_t>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

absl::StatusOr<MatryoshkaConfig> FromConfig(const nlohmann::json& json, const std::string& path) {
  JsonObject object(json, path);
  MatryoshkaConfig config;
  config.trained = object.BoolOr("is_matryoshka", false);
  if (object.Has("matryoshka_dimensions")) {
    const nlohmann::json& list = json["matryoshka_dimensions"];
    if (!list.is_array() || list.empty() || list.size() > kMaxDimensions) {
      object.Fail("\"matryoshka_dimensions\": expected an array of sizes");
      return object.status();
    }
    for (const nlohmann::json& entry : list) {
      if (!entry.is_number_integer() || entry < 1 || entry > kMaxDimension) {
        object.Fail("\"matryoshka_dimensions\": expected whole numbers of at least 1");
        break;
      }
      config.dimensions.push_back(entry.get<int32_t>());
    }
    config.trained = true;
    SortUnique(&config.dimensions);
  }
  if (!object.status().ok()) return object.status();
  return config;
}

// The lines between the first two of three dashes.
std::string_view HeadOf(std::string_view card) {
  constexpr std::string_view kFence = "---\n";
  if (!card.starts_with(kFence)) return {};
  card.remove_prefix(kFence.size());
  return card.substr(0, card.find("\n---"));
}

// The numbers of the first "matryoshka_dims": [ ... ].
std::vector<int32_t> DimensionsIn(std::string_view card) {
  constexpr std::string_view kKey = "\"matryoshka_dims\":";
  const size_t key = card.find(kKey);
  if (key == std::string_view::npos) return {};
  card.remove_prefix(key + kKey.size());
  const size_t open = card.find_first_not_of(" \n\r\t");
  const size_t close = card.find(']');
  if (open == std::string_view::npos || card[open] != '[' || close == std::string_view::npos) return {};
  std::vector<int32_t> dimensions;
  for (const char* at = card.data() + open + 1; at < card.data() + close && dimensions.size() < kMaxDimensions;) {
    int32_t value = 0;
    const auto [end, error] = std::from_chars(at, card.data() + close, value);
    if (error == std::errc() && value >= 1 && value <= kMaxDimension) dimensions.push_back(value);
    at = end == at ? at + 1 : end;
  }
  SortUnique(&dimensions);
  return dimensions;
}

}  // namespace

MatryoshkaConfig ParseModelCard(std::string_view card) {
  const std::string_view head = HeadOf(card);
  // Of the loss, or of the one that also drops layers.
  const bool trained = head.find("- loss:MatryoshkaLoss") != std::string_view::npos ||
                       head.find("- loss:Matryoshka2dLoss") != std::string_view::npos;
  if (!trained) return {};
  return {.trained = true, .dimensions = DimensionsIn(card)};
}

absl::StatusOr<MatryoshkaConfig> ReadMatryoshka(const std::string& model_dir, const std::string& transformer_dir) {
  const std::string path = transformer_dir + "/config.json";
  const auto json = ReadJsonFile(path);
  if (json.ok()) {
    auto config = FromConfig(*json, path);
    if (!config.ok() || config->trained) return config;
  } else if (!absl::IsNotFound(json.status())) {
    return json.status();
  }
  std::ifstream file(model_dir + "/README.md", std::ios::binary);
  std::string card(kMaxCardBytes, '\0');
  file.read(card.data(), static_cast<std::streamsize>(card.size()));
  card.resize(static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  return ParseModelCard(card);
}

}  // namespace attendant
