#include "engine/model/reference_encoder.h"

#include <Eigen/Dense>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "engine/model/tensor_source.h"
#include "engine/model/weights.h"

namespace attendant {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Row = Eigen::RowVectorXf;

struct Affine {
  Matrix weight;  // [out, in]
  Row bias;       // [out]
  Matrix operator()(const Matrix& x) const { return (x * weight.transpose()).rowwise() + bias; }
};

struct Norm {
  Row gamma, beta;
};

struct Layer {
  Affine query, key, value, attention_output, intermediate, output;
  Norm attention_norm, output_norm;
};

Matrix LayerNorm(const Matrix& x, const Norm& norm, float epsilon) {
  Matrix y = x.colwise() - x.rowwise().mean();
  const Eigen::VectorXf variance = y.array().square().rowwise().mean();
  y = y.array().colwise() / (variance.array() + epsilon).sqrt();
  return (y.array().rowwise() * norm.gamma.array()).rowwise() + norm.beta.array();
}

Matrix Softmax(const Matrix& scores) {
  const Matrix e = (scores.colwise() - scores.rowwise().maxCoeff()).array().exp();
  return e.array().colwise() / e.rowwise().sum().array();
}

float Activate(float x, kernels::Activation activation) {
  using kernels::Activation;
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGelu:
      return 0.5f * x * (1.0f + std::erf(x * std::sqrt(0.5f)));
    case Activation::kGeluTanh:
      return 0.5f * x * (1.0f + std::tanh(std::sqrt(2.0f / static_cast<float>(M_PI)) * (x + 0.044715f * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1.0f + std::exp(-1.702f * x));
    case Activation::kRelu:
      return x > 0 ? x : 0.0f;
    case Activation::kSilu:
      return x / (1.0f + std::exp(-x));
    case Activation::kSigmoid:
      return 1.0f / (1.0f + std::exp(-x));
    case Activation::kTanh:
      return std::tanh(x);
  }
  return x;
}

}  // namespace

struct ReferenceEncoder::Impl {
  ModelConfig config;
  Matrix word, position, token_type;
  Norm embedding_norm;
  std::vector<Layer> layers;

  Matrix Embed(const TokenSequence& sequence) const {
    Matrix x(sequence.num_tokens(), config.hidden_size);
    for (int i = 0; i < sequence.num_tokens(); ++i) {
      const size_t at = static_cast<size_t>(i);
      x.row(i) = word.row(sequence.input_ids[at]) + token_type.row(sequence.token_type_ids[at]) + position.row(i);
    }
    return LayerNorm(x, embedding_norm, config.layer_norm_eps);
  }

  // softmax(Q K^T / sqrt(d)) V, head by head, side by side.
  Matrix MultiHead(const Layer& layer, const Matrix& x, std::vector<float>* maps) const {
    const Matrix q = layer.query(x), k = layer.key(x), v = layer.value(x);
    const int d = config.head_dim;
    Matrix context(x.rows(), x.cols());
    for (int h = 0; h < config.num_attention_heads; ++h) {
      const Matrix scores =
          q.middleCols(h * d, d) * k.middleCols(h * d, d).transpose() / std::sqrt(static_cast<float>(d));
      const Matrix probabilities = Softmax(scores);
      if (maps != nullptr) maps->insert(maps->end(), probabilities.data(), probabilities.data() + probabilities.size());
      context.middleCols(h * d, d) = probabilities * v.middleCols(h * d, d);
    }
    return layer.attention_output(context);
  }

  Matrix FeedForward(const Layer& layer, const Matrix& x) const {
    const Matrix h = layer.intermediate(x).unaryExpr([this](float v) { return Activate(v, config.hidden_act); });
    return layer.output(h);
  }
};

namespace {

// Reads tensors into Eigen's own storage.
class Reader {
 public:
  Reader(const SafetensorsFile& file, const ModelConfig& config)
      : config_(config), source_(file, "embeddings.word_embeddings.weight") {}

  Matrix ReadMatrix(const std::string& name, int64_t rows, int64_t columns) {
    const TensorView& tensor = source_.Require(name, {rows, columns});
    Matrix matrix(rows, columns);
    if (tensor.data != nullptr) ReadFloats(tensor, 0, rows * columns, matrix.data());
    return matrix;
  }
  Row ReadRow(const std::string& name, int64_t size) {
    const TensorView& tensor = source_.Require(name, {size});
    Row row(size);
    if (tensor.data != nullptr) ReadFloats(tensor, 0, size, row.data());
    return row;
  }
  Affine ReadAffine(const std::string& name, int64_t out, int64_t in) {
    return {ReadMatrix(name + ".weight", out, in), ReadRow(name + ".bias", out)};
  }
  Norm ReadNorm(const std::string& name) {
    return {ReadRow(name + ".weight", config_.hidden_size), ReadRow(name + ".bias", config_.hidden_size)};
  }
  Layer ReadLayer(const std::string& name) {
    const int64_t hidden = config_.hidden_size, intermediate = config_.intermediate_size;
    return {ReadAffine(name + "attention.self.query", hidden, hidden),
            ReadAffine(name + "attention.self.key", hidden, hidden),
            ReadAffine(name + "attention.self.value", hidden, hidden),
            ReadAffine(name + "attention.output.dense", hidden, hidden),
            ReadAffine(name + "intermediate.dense", intermediate, hidden),
            ReadAffine(name + "output.dense", hidden, intermediate),
            ReadNorm(name + "attention.output.LayerNorm"),
            ReadNorm(name + "output.LayerNorm")};
  }
  const absl::Status& status() const { return source_.status(); }

 private:
  const ModelConfig& config_;
  TensorSource source_;
};

}  // namespace

ReferenceEncoder::ReferenceEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReferenceEncoder::~ReferenceEncoder() = default;

absl::StatusOr<std::unique_ptr<ReferenceEncoder>> ReferenceEncoder::Load(const SafetensorsFile& file,
                                                                         const ModelConfig& config) {
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  Reader reader(file, config);
  const int64_t hidden = config.hidden_size;
  impl->word = reader.ReadMatrix("embeddings.word_embeddings.weight", config.vocab_size, hidden);
  impl->token_type = reader.ReadMatrix("embeddings.token_type_embeddings.weight", config.type_vocab_size, hidden);
  if (config.positions == PositionKind::kLearned) {
    impl->position = reader.ReadMatrix("embeddings.position_embeddings.weight", config.max_position_embeddings, hidden);
  } else {
    impl->position.resize(config.max_position_embeddings, hidden);
    FillSinusoidalPositions(config.max_position_embeddings, hidden, impl->position.data());
  }
  impl->embedding_norm = reader.ReadNorm("embeddings.LayerNorm");
  for (int32_t i = 0; i < config.num_hidden_layers && reader.status().ok(); ++i) {
    impl->layers.push_back(reader.ReadLayer(absl::StrCat("encoder.layer.", i, ".")));
  }
  if (!reader.status().ok()) return reader.status();
  return std::unique_ptr<ReferenceEncoder>(new ReferenceEncoder(std::move(impl)));
}

ReferenceOutput ReferenceEncoder::Forward(const TokenSequence& sequence, Maps maps) const {
  ReferenceOutput output;
  const float epsilon = impl_->config.layer_norm_eps;
  Matrix x = impl_->Embed(sequence);
  for (const Layer& layer : impl_->layers) {
    x = LayerNorm(x + impl_->MultiHead(layer, x, maps == Maps::kAll ? &output.attention : nullptr),
                  layer.attention_norm, epsilon);
    x = LayerNorm(x + impl_->FeedForward(layer, x), layer.output_norm, epsilon);
  }
  output.hidden_states.assign(x.data(), x.data() + x.size());
  return output;
}

}  // namespace attendant
