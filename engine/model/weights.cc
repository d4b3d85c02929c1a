#include "engine/model/weights.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "engine/model/tensor_source.h"

namespace attendant {
namespace {

// Loading in three passes: check every tensor and plan the storage; allocate once; fill in parallel.
class Loader {
 public:
  // What is added from here on lives in `storage`.
  void Into(Buffer& storage) { storages_.push_back({&storage, 0}); }

  // One or more tensors stacked along their rows into one Linear.
  struct Part {
    const SafetensorsFile* file;
    TensorView weight;
    TensorView bias;  // empty: zeros
    float scale;
  };

  // peaks (may be null) must outlive Fill.
  struct Format {
    Precision precision;
    const std::vector<float>* peaks;
  };

  void AddLinear(Linear& linear, int64_t in, const Format& format, std::vector<Part> parts) {
    const auto [precision, peaks] = format;
    int64_t out = 0;
    for (const Part& part : parts) out += part.weight.shape.empty() ? 0 : part.weight.shape[0];
    linear.Shape(in, out, precision);
    Reserve(linear.panels, linear.panels_bytes());
    Reserve(linear.bias, linear.out_padded * kFloat);
    if (precision == Precision::kInt8) {
      Reserve(linear.scales, linear.out_padded * kFloat);
      Reserve(linear.sums, linear.out_padded * kFloat);
      if (peaks != nullptr) Reserve(linear.factors, linear.in_padded * kFloat);
    }
    jobs_.push_back([&linear, peaks = peaks, parts = std::move(parts)] {
      FillLinear(linear, parts, peaks != nullptr ? peaks->data() : nullptr);
    });
  }

  void AddVector(const float*& target, const TensorView& tensor) {
    const int64_t count = Count(tensor);
    Reserve(target, count * kFloat);
    jobs_.push_back([&target, tensor, count] { ReadFloats(tensor, 0, count, const_cast<float*>(target)); });
  }

  void AddSinusoidalPositions(const float*& target, int64_t positions, int64_t width) {
    Reserve(target, positions * width * kFloat);
    jobs_.push_back(
        [&target, positions, width] { FillSinusoidalPositions(positions, width, const_cast<float*>(target)); });
  }

  void Fill(int num_threads) {
    for (const Storage& storage : storages_) *storage.buffer = Buffer(storage.bytes / kFloat);
    for (const Reservation& reservation : reservations_) reservation.point(*storages_[reservation.storage].buffer);
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
  template <typename T>
  void Reserve(const T*& target, int64_t bytes) {
    const int64_t offset = storages_.back().bytes;
    reservations_.push_back({storages_.size() - 1, [&target, offset](const Buffer& buffer) {
                               target =
                                   reinterpret_cast<const T*>(reinterpret_cast<const char*>(buffer.data()) + offset);
                             }});
    storages_.back().bytes += (bytes + kernels::kLineBytes - 1) / kernels::kLineBytes * kernels::kLineBytes;
  }

  static bool IsAlignedFp32(const TensorView& tensor) {
    return tensor.dtype == DType::kF32 && reinterpret_cast<uintptr_t>(tensor.data) % alignof(float) == 0;
  }

  // The mapped pages are released as soon as they are read.
  static void FillLinear(const Linear& linear, const std::vector<Part>& parts, const float* peaks) {
    auto* bias = const_cast<float*>(linear.bias);
    const Part& first = parts.front();
    if (parts.size() == 1 && first.scale == 1.0f && IsAlignedFp32(first.weight)) {
      if (first.bias.data != nullptr) ReadFloats(first.bias, 0, linear.out, bias);
      linear.Pack(reinterpret_cast<const float*>(first.weight.data), peaks);
      return first.file->Release(first.weight);
    }
    // Rows of all parts side by side as fp32, then packed.
    std::vector<float> rows(static_cast<size_t>(linear.out * linear.in));
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
    linear.Pack(rows.data(), peaks);
  }

  static constexpr int64_t kFloat = sizeof(float);

  struct Storage {
    Buffer* buffer;
    int64_t bytes;
  };
  struct Reservation {
    size_t storage;
    std::function<void(const Buffer&)> point;
  };
  std::vector<Storage> storages_;
  std::vector<Reservation> reservations_;
  std::vector<std::function<void()>> jobs_;
};

// Reads one BERT checkpoint's names.
class BertReader {
 public:
  BertReader(const SafetensorsFile& file, const ModelConfig& config, Loader& loader)
      : config_(config), source_(file, "embeddings.word_embeddings.weight"), loader_(loader) {}

  absl::Status status() const { return source_.status(); }

  void ReadEmbeddings(EmbeddingWeights& embeddings) {
    const int64_t hidden = config_.hidden_size;
    embeddings.word = source_.Require("embeddings.word_embeddings.weight", {config_.vocab_size, hidden});
    AddTensor(embeddings.token_type, "embeddings.token_type_embeddings.weight", {config_.type_vocab_size, hidden});
    if (config_.positions == PositionKind::kLearned) {
      AddTensor(embeddings.position, "embeddings.position_embeddings.weight",
                {config_.max_position_embeddings, hidden});
    } else {
      loader_.AddSinusoidalPositions(embeddings.position, config_.max_position_embeddings, hidden);
    }
    AddNorm(embeddings.norm, "embeddings.LayerNorm");
  }

  void ReadLayer(int32_t index, Precision precision, const ActivationPeaks* peaks, LayerWeights& layer) {
    const auto format = [&](const std::vector<float> ActivationPeaks::*which) {
      return Loader::Format{precision, peaks != nullptr ? &(peaks->*which) : nullptr};
    };
    const std::string name = absl::StrCat("encoder.layer.", index, ".");
    layer.precision = precision;
    loader_.Into(layer.storage);
    const int64_t hidden = config_.hidden_size;
    const int64_t intermediate = config_.intermediate_size;
    // softmax(Q K^T / sqrt(d)): the factor goes into the query projection, once, instead of into every score.
    const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
    std::vector<Loader::Part> qkv = {Part(name + "attention.self.query", hidden, hidden, scale),
                                     Part(name + "attention.self.key", hidden, hidden),
                                     Part(name + "attention.self.value", hidden, hidden)};
    loader_.AddLinear(layer.query_key_value, hidden, format(&ActivationPeaks::query_key_value), std::move(qkv));
    loader_.AddLinear(layer.attention_output, hidden, format(&ActivationPeaks::attention_output),
                      {Part(name + "attention.output.dense", hidden, hidden)});
    AddNorm(layer.attention_norm, name + "attention.output.LayerNorm");
    loader_.AddLinear(layer.intermediate, hidden, format(&ActivationPeaks::intermediate),
                      {Part(name + "intermediate.dense", intermediate, hidden)});
    loader_.AddLinear(layer.output, intermediate, {precision, nullptr},
                      {Part(name + "output.dense", hidden, intermediate)});
    AddNorm(layer.output_norm, name + "output.LayerNorm");
  }

 private:
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
  Loader loader;
  loader.Into(weights->storage);
  BertReader reader(file, config, loader);
  reader.ReadEmbeddings(weights->embeddings);
  if (!reader.status().ok()) return reader.status();
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
    loader.AddLinear(weights->dense[i].linear, dense[i].in_features, {Precision::kFp32, nullptr}, {part});
    dense_files.push_back(*std::move(dense_file));
  }
  loader.Fill(num_threads);
  for (const auto& dense_file : dense_files) {
    if (absl::Status status = dense_file->Condition(); !status.ok()) return status;
  }
  return weights;
}

absl::StatusOr<std::vector<LayerWeights>> LoadLayers(const SafetensorsFile& file, const ModelConfig& config,
                                                     const LayerRange& range, int num_threads) {
  std::vector<LayerWeights> layers(range.precisions.size());
  Loader loader;
  BertReader reader(file, config, loader);
  for (size_t i = 0; i < layers.size() && reader.status().ok(); ++i) {
    reader.ReadLayer(range.first + static_cast<int32_t>(i), range.precisions[i], range.peaks, layers[i]);
  }
  if (!reader.status().ok()) return reader.status();
  loader.Fill(num_threads);
  return layers;
}

int64_t Weights::packed_bytes() const {
  int64_t bytes = storage.bytes();
  for (const LayerWeights& layer : layers) bytes += layer.storage.bytes();
  return bytes;
}

}  // namespace attendant
