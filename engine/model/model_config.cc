#include "engine/model/model_config.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "engine/model/activation_name.h"
#include "engine/model/json_file.h"

namespace attendant {
namespace {

// Bounds that keep every later product inside 64 bits and every allocation honest. Real models stay far below.
constexpr int64_t kMaxVocabulary = 4'000'000;
constexpr int64_t kMaxWidth = 65'536;
constexpr int64_t kMaxLayers = 1'000;
constexpr int64_t kMaxPositions = 1'000'000;

absl::StatusOr<ModelConfig> FromJson(const nlohmann::json& json, const std::string& name) {
  JsonObject object(json, name);
  ModelConfig config;
  config.model_type = object.StringOr("model_type", "");
  if (object.status().ok() && config.model_type != "bert") {
    return absl::UnimplementedError(
        absl::StrCat(name, ": model_type \"", config.model_type, "\" is not supported; supported: \"bert\""));
  }
  config.vocab_size = static_cast<int32_t>(object.Integer("vocab_size", 1, kMaxVocabulary));
  config.hidden_size = static_cast<int32_t>(object.Integer("hidden_size", 1, kMaxWidth));
  config.num_hidden_layers = static_cast<int32_t>(object.Integer("num_hidden_layers", 1, kMaxLayers));
  config.num_attention_heads = static_cast<int32_t>(object.Integer("num_attention_heads", 1, kMaxWidth));
  config.intermediate_size = static_cast<int32_t>(object.Integer("intermediate_size", 1, kMaxWidth));
  config.max_position_embeddings =
      static_cast<int32_t>(object.IntegerOr("max_position_embeddings", 512, 1, kMaxPositions));
  config.type_vocab_size = static_cast<int32_t>(object.IntegerOr("type_vocab_size", 2, 1, kMaxWidth));
  config.layer_norm_eps = static_cast<float>(object.NumberOr("layer_norm_eps", 1e-12));
  const std::string act = object.StringOr("hidden_act", "gelu");
  const std::string positions = object.StringOr("position_embedding_type", "absolute");
  if (object.BoolOr("is_decoder", false)) object.Fail("\"is_decoder\": a decoder is not an encoder");
  if (!object.status().ok()) return object.status();

  if (config.hidden_size % config.num_attention_heads != 0) {
    object.Fail(absl::StrCat("\"hidden_size\" ", config.hidden_size, " is not a multiple of \"num_attention_heads\" ",
                             config.num_attention_heads));
  }
  config.head_dim = config.hidden_size / config.num_attention_heads;
  const std::optional<kernels::Activation> activation = ActivationFromConfig(act);
  if (!activation) return absl::UnimplementedError(absl::StrCat(name, ": \"hidden_act\": \"", act, "\" is not known"));
  config.hidden_act = *activation;
  if (positions == "sinusoidal") {
    config.positions = PositionKind::kSinusoidal;
  } else if (positions != "absolute") {
    return absl::UnimplementedError(absl::StrCat(name, ": \"position_embedding_type\": \"", positions,
                                                 "\" is not supported; supported: \"absolute\", \"sinusoidal\""));
  }
  if (!(config.layer_norm_eps >= 0 && config.layer_norm_eps < 1)) object.Fail("\"layer_norm_eps\" is not in [0, 1)");
  if (!object.status().ok()) return object.status();
  return config;
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& text, const std::string& name) {
  auto json = ParseJson(text, name);
  if (!json.ok()) return json.status();
  return FromJson(*json, name);
}

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& transformer_dir) {
  const std::string path = transformer_dir + "/config.json";
  auto json = ReadJsonFile(path);
  if (!json.ok()) return json.status();
  return FromJson(*json, path);
}

}  // namespace attendant
