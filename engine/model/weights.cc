#include "engine/model/weights.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "engine/kernels/packing.h"
#include "engine/model/tensor_source.h"

namespace attendant {
namespace {

// Loading in three passes: check every tensor and plan the storage; allocate once; fill in parallel.
class Loader {
 public:
  Loader(const ModelConfig& config, Weights& weights) : config_(config), weights_(weights) {}

  // One or more tensors stacked along their rows into one Linear.
  struct Part {
    const SafetensorsFile* file;
    TensorView weight;
    TensorView bias;  // empty: zeros
    float scale;
  };

  void AddLinear(Linear& linear, int64_t in, std::vector<Part> parts) {
    linear.in = in;
    for (const Part& part : parts) linear.out += part.weight.shape.empty() ? 0 : part.weight.shape[0];
    linear.out_padded = kernels::PadToPanel(linear.out);
    Reserve(linear.panels, linear.out_padded * in);
    Reserve(linear.bias, linear.out_padded);
    jobs_.push_back([&linear, parts = std::move(parts)] { FillLinear(linear, parts); });
  }

  void AddVector(const float*& target, const TensorView& tensor) {
    const int64_t count = Count(tensor);
    Reserve(target, count);
    jobs_.push_back([&target, tensor, count] { ReadFloats(tensor, 0, count, const_cast<float*>(target)); });
  }

  void AddSinusoidalPositions() {
    const int64_t positions = config_.max_position_embeddings;
    const int64_t width = config_.hidden_size;
    Reserve(weights_.embeddings.position, positions * width);
    jobs_.push_back([this, positions, width] {
      FillSinusoidalPositions(positions, width, const_cast<float*>(weights_.embeddings.position));
    });
  }

  void Fill(int num_threads) {
    weights_.storage = Buffer(total_floats_);
    for (const auto& [target, offset] : reservations_) *target = weights_.storage.data() + offset;
    std::atomic<size_t> next{0};
    const auto work = [this, &next] {
      for (size_t i = next++; i < jobs_.size(); i = next++) jobs_[i]();
    };
    std::vector<std::thread> helpers;
    for (int i = 1; i < num_threads; ++i) helpers.emplace_back(work);
    work();
    for (std::thread& helper : helpers) helper.join();
  }

 private:
  static int64_t Count(const TensorView& tensor) {
    int64_t count = 1;
    for (const int64_t dim : tensor.shape) count *= dim;
    return count;
  }

  // Cache-line aligned within the storage; the address is known once the storage is allocated.
  void Reserve(const float*& target, int64_t count) {
    reservations_.emplace_back(&target, total_floats_);
    total_floats_ += (count + 15) / 16 * 16;
  }

  static void FillLinear(const Linear& linear, const std::vector<Part>& parts) {
    // Rows of all parts side by side as fp32, then packed; the mapped pages are released as soon as they are read.
    std::vector<float> rows(static_cast<size_t>(linear.out * linear.in));
    auto* bias = const_cast<float*>(linear.bias);
    int64_t row = 0;
    for (const Part& part : parts) {
      const int64_t out = part.weight.shape[0];
      float* target = rows.data() + row * linear.in;
      ReadFloats(part.weight, 0, out * linear.in, target);
      if (part.bias.data != nullptr) ReadFloats(part.bias, 0, out, bias + row);
      if (part.scale != 1.0f) {
        for (int64_t i = 0; i < out * linear.in; ++i) target[i] *= part.scale;
        for (int64_t i = 0; i < out; ++i) bias[row + i] *= part.scale;
      }
      part.file->Release(part.weight);
      row += out;
    }
    kernels::PackPanels(
        {.weight = rows.data(), .n = linear.out, .k = linear.in, .panels = const_cast<float*>(linear.panels)});
  }

  const ModelConfig& config_;
  Weights& weights_;
  int64_t total_floats_ = 0;
  std::vector<std::pair<const float**, int64_t>> reservations_;
  std::vector<std::function<void()>> jobs_;
};

// Reads one BERT checkpoint's names.
class BertReader {
 public:
  BertReader(const SafetensorsFile& file, const ModelConfig& config, Loader& loader)
      : config_(config), source_(file, "embeddings.word_embeddings.weight"), loader_(loader) {}

  absl::Status Read(Weights& weights) {
    const int64_t hidden = config_.hidden_size;
    EmbeddingWeights& embeddings = weights.embeddings;
    embeddings.word = source_.Require("embeddings.word_embeddings.weight", {config_.vocab_size, hidden});
    AddTensor(embeddings.token_type, "embeddings.token_type_embeddings.weight", {config_.type_vocab_size, hidden});
    if (config_.positions == PositionKind::kLearned) {
      AddTensor(embeddings.position, "embeddings.position_embeddings.weight",
                {config_.max_position_embeddings, hidden});
    } else {
      loader_.AddSinusoidalPositions();
    }
    AddNorm(embeddings.norm, "embeddings.LayerNorm");
    weights.layers.resize(static_cast<size_t>(config_.num_hidden_layers));
    for (int32_t i = 0; i < config_.num_hidden_layers && source_.status().ok(); ++i) {
      ReadLayer(absl::StrCat("encoder.layer.", i, "."), weights.layers[static_cast<size_t>(i)]);
    }
    return source_.status();
  }

 private:
  void ReadLayer(const std::string& name, LayerWeights& layer) {
    const int64_t hidden = config_.hidden_size;
    const int64_t intermediate = config_.intermediate_size;
    // softmax(Q K^T / sqrt(d)): the factor goes into the query projection, once, instead of into every score.
    const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
    std::vector<Loader::Part> qkv = {Part(name + "attention.self.query", hidden, hidden, scale),
                                     Part(name + "attention.self.key", hidden, hidden),
                                     Part(name + "attention.self.value", hidden, hidden)};
    loader_.AddLinear(layer.query_key_value, hidden, std::move(qkv));
    loader_.AddLinear(layer.attention_output, hidden, {Part(name + "attention.output.dense", hidden, hidden)});
    AddNorm(layer.attention_norm, name + "attention.output.LayerNorm");
    loader_.AddLinear(layer.intermediate, hidden, {Part(name + "intermediate.dense", intermediate, hidden)});
    loader_.AddLinear(layer.output, intermediate, {Part(name + "output.dense", hidden, intermediate)});
    AddNorm(layer.output_norm, name + "output.LayerNorm");
  }

  Loader::Part Part(const std::string& name, int64_t out, int64_t in, float scale = 1.0f) {
    return {&source_.file(), source_.Require(name + ".weight", {out, in}), source_.Require(name + ".bias", {out}),
            scale};
  }

  void AddTensor(const float*& target, const std::string& name, const std::vector<int64_t>& shape) {
    loader_.AddVector(target, source_.Require(name, shape));
  }

  void AddNorm(LayerNormWeights& norm, const std::string& name) {
    AddTensor(norm.gamma, name + ".weight", {config_.hidden_size});
    AddTensor(norm.beta, name + ".bias", {config_.hidden_size});
  }

  const ModelConfig& config_;
  TensorSource source_;
  Loader& loader_;
};

}  // namespace

void FillSinusoidalPositions(int64_t positions, int64_t width, float* out) {
  for (int64_t position = 0; position < positions; ++position) {
    for (int64_t i = 0; i < width; ++i) {
      const double exponent = static_cast<double>(i / 2 * 2) / static_cast<double>(width);
      const double angle = static_cast<double>(position) / std::pow(10000.0, exponent);
      out[position * width + i] = static_cast<float>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
}

absl::StatusOr<std::unique_ptr<Weights>> LoadWeights(const SafetensorsFile& file, const ModelConfig& config,
                                                     const std::vector<DenseConfig>& dense, int num_threads) {
  auto weights = std::make_unique<Weights>();
  Loader loader(config, *weights);
  BertReader reader(file, config, loader);
  if (const absl::Status status = reader.Read(*weights); !status.ok()) return status;
  // Dense modules have files of their own, needed only until they are packed.
  std::vector<std::unique_ptr<SafetensorsFile>> dense_files;
  weights->dense.resize(dense.size());
  for (size_t i = 0; i < dense.size(); ++i) {
    auto dense_file = SafetensorsFile::Open(dense[i].directory + "/model.safetensors");
    if (!dense_file.ok()) return dense_file.status();
    TensorSource source(**dense_file, "linear.weight");
    Loader::Part part{dense_file->get(), source.Require("linear.weight", {dense[i].out_features, dense[i].in_features}),
                      TensorView{}, 1.0f};
    if (dense[i].bias) part.bias = source.Require("linear.bias", {dense[i].out_features});
    if (!source.status().ok()) return source.status();
    weights->dense[i].activation = dense[i].activation;
    loader.AddLinear(weights->dense[i].linear, dense[i].in_features, {part});
    dense_files.push_back(*std::move(dense_file));
  }
  loader.Fill(num_threads);
  return weights;
}

}  // namespace attendant
