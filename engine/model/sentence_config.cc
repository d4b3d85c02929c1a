// The sentence-transformers half of model_config.h.
#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "engine/model/activation_name.h"
#include "engine/model/json_file.h"
#include "engine/model/model_config.h"

namespace attendant {
namespace {

constexpr int64_t kMaxLength = 1'000'000;

// An absent file is no error: most of these files are optional.
absl::StatusOr<std::optional<nlohmann::json>> ReadOptional(const std::string& path) {
  auto json = ReadJsonFile(path);
  if (json.ok()) return *std::move(json);
  if (absl::IsNotFound(json.status())) return std::nullopt;
  return json.status();
}

// sentence_bert_config.json or one of its six older names: max_seq_length and do_lower_case.
absl::Status ReadTransformerModule(const std::string& directory, SentenceConfig& sentence) {
  static constexpr const char* kNames[] = {"sentence_bert_config.json",       "sentence_roberta_config.json",
                                           "sentence_distilbert_config.json", "sentence_camembert_config.json",
                                           "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
                                           "sentence_xlnet_config.json"};
  for (const char* name : kNames) {
    const std::string path = absl::StrCat(directory, "/", name);
    auto json = ReadOptional(path);
    if (!json.ok()) return json.status();
    if (!*json) continue;
    JsonObject object(**json, path);
    sentence.max_seq_length = static_cast<int32_t>(object.IntegerOr("max_seq_length", 0, 1, kMaxLength));
    sentence.do_lower_case = object.BoolOr("do_lower_case", false);
    return object.status();
  }
  return absl::OkStatus();
}

// Where sentence-transformers says nothing: the smaller of the model's positions and the tokenizer's maximum.
absl::Status DefaultMaxLength(const std::string& directory, const ModelConfig& config, SentenceConfig& sentence) {
  if (sentence.max_seq_length == 0) {
    sentence.max_seq_length = config.max_position_embeddings;
    const std::string path = directory + "/tokenizer_config.json";
    auto json = ReadOptional(path);
    if (!json.ok()) return json.status();
    if (*json) {
      JsonObject object(**json, path);
      // "No limit" is written as a number of thirty digits.
      const double limit = object.NumberOr("model_max_length", 1e30);
      if (!object.status().ok()) return object.status();
      if (limit >= 1 && limit < sentence.max_seq_length) sentence.max_seq_length = static_cast<int32_t>(limit);
    }
  }
  sentence.max_seq_length = std::min(sentence.max_seq_length, config.max_position_embeddings);
  return absl::OkStatus();
}

struct PoolingName {
  const char* flag;  // sentence-transformers until 5: one boolean each
  const char* name;  // from 6: "pooling_mode" holds a name, or a list of names in the order of concatenation
  PoolingMode mode;
};
constexpr PoolingName kPoolingNames[] = {
    {"pooling_mode_cls_token", "cls", PoolingMode::kCls},
    {"pooling_mode_max_tokens", "max", PoolingMode::kMax},
    {"pooling_mode_mean_tokens", "mean", PoolingMode::kMean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", PoolingMode::kMeanSqrtLen},
    {"pooling_mode_weightedmean_tokens", "weightedmean", PoolingMode::kWeightedMean},
    {"pooling_mode_lasttoken", "lasttoken", PoolingMode::kLastToken}};

void ReadPoolingNames(const nlohmann::json& value, JsonObject& object, SentenceConfig& sentence) {
  const nlohmann::json list = value.is_array() ? value : nlohmann::json::array({value});
  for (const nlohmann::json& entry : list) {
    const auto* known = std::find_if(std::begin(kPoolingNames), std::end(kPoolingNames),
                                     [&entry](const PoolingName& name) { return entry == name.name; });
    if (known == std::end(kPoolingNames)) return object.Fail("\"pooling_mode\": not a known mode");
    sentence.pooling.push_back(known->mode);
  }
}

absl::Status ReadPooling(const std::string& path, const ModelConfig& config, SentenceConfig& sentence) {
  auto json = ReadJsonFile(path);
  if (!json.ok()) return json.status();
  JsonObject object(*json, path);
  for (const char* key : {"word_embedding_dimension", "embedding_dimension"}) {
    const int64_t width = object.IntegerOr(key, config.hidden_size, 1, kMaxLength);
    if (width != config.hidden_size) {
      object.Fail(absl::StrCat("\"", key, "\": expected ", config.hidden_size, ", found ", width));
    }
  }
  if (object.Has("pooling_mode")) {
    ReadPoolingNames((*json)["pooling_mode"], object, sentence);
  } else {
    // There, only an absent pooling_mode_mean_tokens means true.
    for (const PoolingName& name : kPoolingNames) {
      if (object.BoolOr(name.flag, name.mode == PoolingMode::kMean)) sentence.pooling.push_back(name.mode);
    }
  }
  if (sentence.pooling.empty()) object.Fail("no known pooling mode is on");
  sentence.include_prompt = object.BoolOr("include_prompt", true);
  return object.status();
}

absl::Status ReadDense(const std::string& directory, SentenceConfig& sentence) {
  const std::string path = directory + "/config.json";
  auto json = ReadJsonFile(path);
  if (!json.ok()) return json.status();
  JsonObject object(*json, path);
  DenseConfig dense;
  dense.directory = directory;
  dense.in_features = static_cast<int32_t>(object.Integer("in_features", 1, kMaxLength));
  dense.out_features = static_cast<int32_t>(object.Integer("out_features", 1, kMaxLength));
  dense.bias = object.BoolOr("bias", true);
  const std::string name = object.StringOr("activation_function", "torch.nn.modules.activation.Tanh");
  if (!object.status().ok()) return object.status();
  const std::optional<kernels::Activation> activation = ActivationFromTorchClass(name);
  if (!activation) return absl::UnimplementedError(absl::StrCat(path, ": activation_function \"", name, "\""));
  dense.activation = *activation;
  sentence.dense.push_back(std::move(dense));
  return absl::OkStatus();
}

// Where a module of modules.json keeps its files. A path that leaves the model directory is an error of the object.
std::string ModuleDirectory(JsonObject& object, const std::string& model_dir) {
  const std::string path = object.StringOr("path", "");
  if (path.find("..") != std::string::npos || path.starts_with('/')) {
    object.Fail(absl::StrCat("path \"", path, "\" leaves the model directory"));
  }
  return path.empty() ? model_dir : absl::StrCat(model_dir, "/", path);
}

// A module's type is a Python class path; its last word says what it is.
absl::Status ReadModule(const nlohmann::json& module, const std::string& model_dir, const ModelConfig& config,
                        SentenceConfig& sentence) {
  JsonObject object(module, model_dir + "/modules.json");
  const std::string type = object.StringOr("type", "");
  const std::string directory = ModuleDirectory(object, model_dir);
  if (!object.status().ok()) return object.status();
  if (type.ends_with(".Transformer")) return ReadTransformerModule(directory, sentence);
  if (type.ends_with(".Pooling")) return ReadPooling(directory + "/config.json", config, sentence);
  if (type.ends_with(".Dense")) {
    if (sentence.normalize) return absl::UnimplementedError("modules.json: a Dense module after Normalize");
    return ReadDense(directory, sentence);
  }
  if (type.ends_with(".Normalize")) {
    sentence.normalize = true;
    return absl::OkStatus();
  }
  return absl::UnimplementedError(
      absl::StrCat(model_dir, "/modules.json: module type \"", type, "\" is not supported"));
}

void ReadSimilarity(JsonObject& object, SentenceConfig& sentence) {
  const std::string name = object.StringOr("similarity_fn_name", "cosine");
  if (name == "cosine") {
    sentence.similarity = SimilarityFunction::kCosine;
  } else if (name == "dot") {
    sentence.similarity = SimilarityFunction::kDot;
  } else if (name == "euclidean") {
    sentence.similarity = SimilarityFunction::kEuclidean;
  } else if (name == "manhattan") {
    sentence.similarity = SimilarityFunction::kManhattan;
  } else {
    object.Fail(absl::StrCat("\"similarity_fn_name\" \"", name, "\" is none of cosine, dot, euclidean, manhattan"));
  }
}

// Of config_sentence_transformers.json.
absl::Status ReadPromptsAndSimilarity(const std::string& model_dir, SentenceConfig& sentence) {
  const std::string path = model_dir + "/config_sentence_transformers.json";
  auto json = ReadOptional(path);
  if (!json.ok()) return json.status();
  if (!*json) return absl::OkStatus();
  JsonObject object(**json, path);
  ReadSimilarity(object, sentence);
  sentence.default_prompt_name = object.StringOr("default_prompt_name", "");
  if (object.Has("prompts")) {
    const nlohmann::json& prompts = (**json)["prompts"];
    if (!prompts.is_object()) {
      object.Fail("\"prompts\" is not an object");
    } else {
      for (const auto& [name, text] : prompts.items()) {
        if (text.is_null()) continue;
        if (!text.is_string()) object.Fail(absl::StrCat("prompt \"", name, "\" is not a string"));
        if (text.is_string()) sentence.prompts[name] = text.get<std::string>();
      }
    }
  }
  if (!sentence.default_prompt_name.empty() && !sentence.prompts.contains(sentence.default_prompt_name)) {
    object.Fail(absl::StrCat("\"default_prompt_name\" \"", sentence.default_prompt_name, "\" is not in \"prompts\""));
  }
  return object.status();
}

}  // namespace

absl::StatusOr<std::string> FindTransformerDirectory(const std::string& model_dir) {
  const std::string path = model_dir + "/modules.json";
  auto modules = ReadOptional(path);
  if (!modules.ok()) return modules.status();
  if (!*modules || !(*modules)->is_array()) return model_dir;
  for (const nlohmann::json& module : **modules) {
    JsonObject object(module, path);
    if (!object.StringOr("type", "").ends_with(".Transformer")) continue;
    const std::string directory = ModuleDirectory(object, model_dir);
    if (!object.status().ok()) return object.status();
    return directory;
  }
  return model_dir;
}

absl::StatusOr<SentenceConfig> ReadSentenceConfig(const std::string& model_dir, const ModelConfig& config) {
  SentenceConfig sentence;
  const std::string path = model_dir + "/modules.json";
  auto modules = ReadOptional(path);
  if (!modules.ok()) return modules.status();
  if (*modules) {
    if (!(*modules)->is_array()) return absl::InvalidArgumentError(absl::StrCat(path, ": expected an array"));
    for (const nlohmann::json& module : **modules) {
      if (const absl::Status status = ReadModule(module, model_dir, config, sentence); !status.ok()) return status;
    }
  } else if (const absl::Status status = ReadTransformerModule(model_dir, sentence); !status.ok()) {
    return status;
  }
  if (sentence.pooling.empty()) sentence.pooling = {PoolingMode::kMean};
  int64_t width = static_cast<int64_t>(config.hidden_size) * static_cast<int64_t>(sentence.pooling.size());
  for (const DenseConfig& dense : sentence.dense) {
    if (dense.in_features != width) {
      return absl::InvalidArgumentError(absl::StrCat(dense.directory, "/config.json: \"in_features\": expected ", width,
                                                     ", found ", dense.in_features));
    }
    width = dense.out_features;
  }
  auto transformer_dir = FindTransformerDirectory(model_dir);
  if (!transformer_dir.ok()) return transformer_dir.status();
  if (const absl::Status status = DefaultMaxLength(*transformer_dir, config, sentence); !status.ok()) return status;
  if (const absl::Status status = ReadPromptsAndSimilarity(model_dir, sentence); !status.ok()) return status;
  auto matryoshka = ReadMatryoshka(model_dir, *transformer_dir);
  if (!matryoshka.ok()) return matryoshka.status();
  sentence.matryoshka = *std::move(matryoshka);
  return sentence;
}

}  // namespace attendant
