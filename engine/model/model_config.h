// What a model directory says about the model, read once and checked: config.json and the sentence-transformers files.
//
// Sources: transformers' BertConfig; sentence-transformers' modules.json, sentence_bert_config.json,
// config_sentence_transformers.json, 1_Pooling/config.json, N_Dense/config.json.
// Plain immutable data.
#ifndef ATTENDANT_ENGINE_MODEL_MODEL_CONFIG_H_
#define ATTENDANT_ENGINE_MODEL_MODEL_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/kernels/kernels.h"
#include "engine/model/matryoshka.h"
#include "engine/sequence.h"

namespace attendant {

enum class PositionKind { kLearned, kSinusoidal };

// config.json. Words as Hugging Face has them.
struct ModelConfig {
  std::string model_type;
  int32_t vocab_size = 0;
  int32_t hidden_size = 0;
  int32_t num_hidden_layers = 0;
  int32_t num_attention_heads = 0;
  int32_t head_dim = 0;
  int32_t intermediate_size = 0;
  int32_t max_position_embeddings = 0;
  int32_t type_vocab_size = 0;
  float layer_norm_eps = 1e-12f;
  kernels::Activation hidden_act = kernels::Activation::kGelu;
  PositionKind positions = PositionKind::kLearned;
};

// A sentence-transformers Dense module after the pooling: y = activation(W x + b).
struct DenseConfig {
  std::string directory;
  int32_t in_features = 0;
  int32_t out_features = 0;
  bool bias = true;
  kernels::Activation activation = kernels::Activation::kTanh;
};

struct SentenceConfig {
  int32_t max_seq_length = 0;  // special tokens included
  bool do_lower_case = false;  // lower-case the text before the tokenizer sees it
  std::vector<PoolingMode> pooling;
  bool include_prompt = true;
  std::vector<DenseConfig> dense;
  bool normalize = false;
  std::map<std::string, std::string> prompts;
  std::string default_prompt_name;
  MatryoshkaConfig matryoshka;
  SimilarityFunction similarity = SimilarityFunction::kCosine;
};

// The directory of config.json, weights and tokenizer: model_dir itself or, in older sentence-transformers directories,
// the one that modules.json names (0_Transformer).
absl::StatusOr<std::string> FindTransformerDirectory(const std::string& model_dir);

// UNIMPLEMENTED for an architecture that Attendant does not have; INVALID_ARGUMENT names file, key, expected, found.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& transformer_dir);
absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& json, const std::string& name);

// Without modules.json: mean pooling, no normalisation, as sentence-transformers does.
absl::StatusOr<SentenceConfig> ReadSentenceConfig(const std::string& model_dir, const ModelConfig& config);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_MODEL_CONFIG_H_
