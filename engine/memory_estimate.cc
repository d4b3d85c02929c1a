// Embedder::EstimateBytes. Everything is taken from the safetensors header, where shapes are checked against the file's
// size, so that no number in config.json can make the estimate overflow; what config.json alone knows is added as a
// double and capped.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/embedder.h"
#include "engine/model/model_config.h"
#include "engine/model/safetensors.h"
#include "engine/team.h"

namespace attendant {
namespace {

constexpr double kFloat = sizeof(float);
// Panels are padded, int8 channels have scales and sums: some percent of a matrix that is not tiny.
constexpr double kPacking = 1.03;
// A layer's storage is rounded up to huge pages where it is large (engine/model/buffer.cc).
constexpr double kHugePage = 2 << 20;
// Vocabulary, tries and maps on the heap, as a multiple of the larger of the tokenizer's files: 5.8 was measured for
// all-MiniLM-L6-v2 (a WordPiece vocabulary of 30,522).
constexpr double kTokenizerPerFileByte = 8;
// What is needed beyond any model: code, threads, small allocations of loading.
constexpr double kFixed = 4 << 20;
// No machine has more, and a double holds it exactly.
constexpr double kMost = 1ll << 52;

double Elements(const TensorView& tensor) {
  double elements = 1;
  for (const int64_t size : tensor.shape) elements *= static_cast<double>(size);
  return elements;
}

double RoundedUp(double bytes) { return bytes < kHugePage / 2 ? bytes : std::ceil(bytes / kHugePage) * kHugePage; }

double BytesPerWeight(std::string_view precision) {
  if (precision == "int8") return 1;
  if (precision == "bf16") return 2;
  return kFloat;
}

struct WeightBytes {
  double packed = 0;         // as it stays
  double largest_layer = 0;  // in fp32: one at a time beside the others while a narrower precision is gated
};

WeightBytes EstimateWeights(const SafetensorsFile& file, const EmbedderOptions& options) {
  WeightBytes bytes;
  struct Layer {
    double packed = 0;
    double fp32 = 0;
  };
  std::map<std::string, Layer> layers;
  for (const auto& [name, tensor] : file.tensors()) {
    const size_t layer_start = name.find("encoder.layer.");
    if (layer_start != std::string::npos) {
      const size_t end = name.find('.', layer_start + std::string_view("encoder.layer.").size());
      Layer& layer = layers[name.substr(0, end)];
      const bool is_matrix = tensor.shape.size() == 2;
      layer.packed += Elements(tensor) * (is_matrix ? BytesPerWeight(options.precision) * kPacking : kFloat);
      layer.fp32 += Elements(tensor) * kFloat;
    } else if (absl::StrContains(name, "word_embeddings")) {
      bytes.packed += static_cast<double>(tensor.size_bytes);  // stays memory-mapped as it is
    } else {
      bytes.packed += Elements(tensor) * kFloat;
    }
  }
  for (const auto& [name, layer] : layers) {
    bytes.packed += RoundedUp(layer.packed);
    bytes.largest_layer = std::max(bytes.largest_layer, RoundedUp(layer.fp32));
  }
  return bytes;
}

// One worker's, with the scratch of those who help it.
double EstimateWorkspace(const ModelConfig& config, double tokens, int workers) {
  const double hidden = config.hidden_size;
  const double members = std::min(workers, kMaxTeamMembers);
  const double head = 2 * tokens * config.head_dim + 24 * tokens * 1.5;
  const double feed_forward = 72.0 * config.intermediate_size * 1.5;
  // Hidden states, query, key and value, context; the operands of products and the int16 queries are narrower.
  return kFloat * (tokens * hidden * 6 + members * (head + feed_forward));
}

double FileBytes(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<double>(size);
}

}  // namespace

absl::StatusOr<int64_t> Embedder::EstimateBytes(const EmbedderOptions& options, int workers) {
  std::error_code error;
  if (!std::filesystem::is_directory(options.model_dir, error)) {
    return absl::NotFoundError(absl::StrCat("model directory ", options.model_dir, " does not exist"));
  }
  const auto directory = FindTransformerDirectory(options.model_dir);
  if (!directory.ok()) return directory.status();
  const auto config = ReadModelConfig(*directory);
  if (!config.ok()) return config.status();
  const auto sentence = ReadSentenceConfig(options.model_dir, *config);
  if (!sentence.ok()) return sentence.status();
  const auto file = SafetensorsFile::Open(*directory + "/model.safetensors");
  if (!file.ok()) return file.status();
  const WeightBytes weights = EstimateWeights(**file, options);
  double bytes = kFixed + weights.packed;
  if (options.precision != "fp32") bytes += weights.largest_layer;
  for (const DenseConfig& dense : sentence->dense) bytes += FileBytes(dense.directory + "/model.safetensors");
  const double tokens = std::max(options.max_batch_tokens, sentence->max_seq_length);
  bytes += workers * EstimateWorkspace(*config, tokens, workers);
  const double tokenizer = std::max(FileBytes(*directory + "/tokenizer.json"), FileBytes(*directory + "/vocab.txt"));
  bytes += kTokenizerPerFileByte * tokenizer;
  return static_cast<int64_t>(std::min(bytes, kMost));
}

}  // namespace attendant
