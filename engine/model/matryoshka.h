// Was a model trained so that the first values of its vectors are vectors, too (Kusupati et al., "Matryoshka
// Representation Learning", 2022)? What its directory says about it.
//
// sentence-transformers keeps no such word in its configuration. What there is: "is_matryoshka" and
// "matryoshka_dimensions" in config.json, a convention of vLLM's; and the model card (README.md) that
// sentence-transformers writes after training, with the tag "loss:MatryoshkaLoss" in its head and the sizes as
// "matryoshka_dims" among the loss's parameters.
// Thread-safety: free functions without state.
#ifndef ATTENDANT_ENGINE_MODEL_MATRYOSHKA_H_
#define ATTENDANT_ENGINE_MODEL_MATRYOSHKA_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace attendant {

struct MatryoshkaConfig {
  bool trained = false;
  std::vector<int32_t> dimensions;  // ascending; empty: not known which
};

// A directory without any of it is not trained. config.json's words are checked and go before the card's, which is
// prose and is never an error.
absl::StatusOr<MatryoshkaConfig> ReadMatryoshka(const std::string& model_dir, const std::string& transformer_dir);

// The card's part.
MatryoshkaConfig ParseModelCard(std::string_view card);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_MATRYOSHKA_H_
