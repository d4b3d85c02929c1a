// A model from tests/testdata/models with what the reference implementation answered for it.
#ifndef ATTENDANT_TESTS_ENGINE_MODEL_MODEL_FIXTURE_H_
#define ATTENDANT_TESTS_ENGINE_MODEL_MODEL_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/model/model_config.h"
#include "engine/model/safetensors.h"
#include "engine/model/weights.h"

namespace attendant {

inline std::string ModelDir(const std::string& name) { return std::string(ATTENDANT_TESTDATA) + "/models/" + name; }

inline const std::vector<std::string>& ModelNames() {
  static const std::vector<std::string> names = {"tiny-mean",       "odd-heads-cls",    "one-layer-relu-max",
                                                 "sinusoidal-sqrt", "concatenated-f16", "dense-prompt",
                                                 "wide-heads-bf16", "plain-hf"};
  return names;
}

inline nlohmann::json Expected(const std::string& name) {
  std::ifstream file(ModelDir(name) + "/expected.json");
  return nlohmann::json::parse(file);
}

struct ModelFixture {
  explicit ModelFixture(const std::string& name, int threads = 1, Precision precision = Precision::kFp32) {
    config = ReadModelConfig(ModelDir(name)).value();
    sentence = ReadSentenceConfig(ModelDir(name), config).value();
    file = SafetensorsFile::Open(ModelDir(name) + "/model.safetensors").value();
    weights = LoadWeights(*file, config, sentence.dense, threads).value();
    weights->layers = LoadAllLayers(precision, threads).value();
  }

  // The same model for longer sequences than its file has positions for.
  void LengthenTo(int32_t positions) {
    config.positions = PositionKind::kSinusoidal;
    config.max_position_embeddings = positions;
    std::vector<LayerWeights> layers = std::move(weights->layers);
    weights = LoadWeights(*file, config, sentence.dense, 1).value();
    weights->layers = std::move(layers);
  }

  absl::StatusOr<std::vector<LayerWeights>> LoadAllLayers(Precision precision, int threads) const {
    const auto count = static_cast<size_t>(config.num_hidden_layers);
    return LoadLayers(*file, config, {0, std::vector<Precision>(count, precision)}, threads);
  }

  ModelConfig config;
  SentenceConfig sentence;
  std::unique_ptr<SafetensorsFile> file;
  std::unique_ptr<Weights> weights;
};

// Flattens nested arrays of numbers.
inline void Flatten(const nlohmann::json& json, std::vector<float>& out) {
  if (json.is_array()) {
    for (const auto& element : json) Flatten(element, out);
  } else {
    out.push_back(json.get<float>());
  }
}
inline std::vector<float> Flat(const nlohmann::json& json) {
  std::vector<float> out;
  Flatten(json, out);
  return out;
}

inline float MaxDifference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  float worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const float difference = std::abs(a[i] - b[i]);
    worst = difference <= worst ? worst : difference;  // NaN counts
  }
  return worst;
}

}  // namespace attendant

#endif  // ATTENDANT_TESTS_ENGINE_MODEL_MODEL_FIXTURE_H_
