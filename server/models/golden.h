// A model directory's golden vectors: texts with the vectors that the model is known to give for them, made once by
// `attendant golden` and compared whenever the model is loaded.
//
// The file, attendant_golden.json, is a JSON object: "format": "attendant-golden-1"; "precision", "dimension",
// "normalize", "pooling", "max_tokens", "fingerprint" of the model that made it; "items": [{"text", "vector"}, ...];
// and perhaps "min_cosine": {"fp32": ..., "bf16": ..., "int8": ...}, what a vector must reach when the narrower of the
// two precisions, the file's and the model's, is this. Thread-safety: plain data and pure functions.
#ifndef ATTENDANT_SERVER_MODELS_GOLDEN_H_
#define ATTENDANT_SERVER_MODELS_GOLDEN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace attendant {

inline constexpr char kGoldenFile[] = "attendant_golden.json";

struct Golden {
  std::string precision;
  std::string fingerprint;
  int32_t dimension = 0;
  bool normalize = false;
  std::vector<std::string> pooling;  // "mean", "cls", ...
  int32_t max_tokens = 0;
  std::map<std::string, double> min_cosine;  // of every precision
  struct Item {
    std::string text;
    std::vector<float> vector;  // [dimension]
  };
  std::vector<Item> items;

  // For a model in this precision.
  double MinCosine(const std::string& precision_of_model) const;
};

// Nothing when the directory has no such file. INVALID_ARGUMENT names file and place of what is wrong.
absl::StatusOr<std::optional<Golden>> ReadGolden(const std::string& directory);
absl::StatusOr<Golden> ParseGolden(std::string_view json, const std::string& name);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_GOLDEN_H_
