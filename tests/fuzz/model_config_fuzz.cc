// Any bytes as config.json: an error, or a plan whose numbers fit together.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/model/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config =
      attendant::ParseModelConfig(std::string(reinterpret_cast<const char*>(data), size), "config.json");
  if (!config.ok()) {
    if (config.status().message().empty()) std::abort();
    return 0;
  }
  if (config->hidden_size != config->head_dim * config->num_attention_heads || config->vocab_size < 1 ||
      config->num_hidden_layers < 1 || config->max_position_embeddings < 1 || !(config->layer_norm_eps >= 0)) {
    std::abort();
  }
  return 0;
}
