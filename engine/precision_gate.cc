#include "engine/precision_gate.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <numeric>
#include <thread>

#include "absl/strings/str_cat.h"
#include "engine/model/feed_forward.h"

namespace attendant {
namespace {

// Rows of one batch of texts: small enough that every thread gets some, large enough for whole register tiles.
constexpr int32_t kBatchTokens = 128;

// The texts cut into batches, and one set of hidden states of all of them: [total tokens, hidden_stride].
class Texts {
 public:
  Texts(const GateInput& input, int32_t max_tokens) : input_(input), max_tokens_(max_tokens) {
    for (size_t i = 0; i < input.texts.size(); ++i) {
      if (batches_.empty() || batches_.back().num_tokens() + input.texts[i].num_tokens() > max_tokens) {
        first_rows_.push_back(total_tokens_);
        batches_.emplace_back();
      }
      batches_.back().Add(&input.texts[i], i);
      total_tokens_ += input.texts[i].num_tokens();
    }
  }

  using States = std::vector<float>;

  // Runs step over every batch with `states` in and out of a workspace, on all threads.
  void ForBatches(States& states, const std::function<void(Workspace& workspace)>& step) const {
    std::atomic<size_t> next{0};
    const auto work = [&] {
      Workspace workspace(input_.context.config, max_tokens_);
      const int64_t stride = workspace.hidden_stride;
      for (size_t i = next++; i < batches_.size(); i = next++) {
        workspace.batch = batches_[i];
        float* rows = states.data() + first_rows_[i] * stride;
        const size_t bytes = static_cast<size_t>(batches_[i].num_tokens() * stride) * sizeof(float);
        std::memcpy(workspace.hidden_states.data(), rows, bytes);
        step(workspace);
        std::memcpy(rows, workspace.hidden_states.data(), bytes);
      }
    };
    std::vector<std::thread> helpers;
    for (int i = 1; i < input_.num_threads; ++i) helpers.emplace_back(work);
    work();
    for (std::thread& helper : helpers) helper.join();
  }

  States Embedded() const {
    States states(static_cast<size_t>(total_tokens_ * kernels::PadToPanel(input_.context.config.hidden_size)));
    ForBatches(states,
               [&](Workspace& workspace) { EmbedTokens(input_.context, input_.weights.embeddings, workspace); });
    return states;
  }

  // The fp32 layer, and what its linear layers read.
  ActivationPeaks RunAndObserve(const LayerWeights& layer, States& states) const {
    ActivationPeaks peaks;
    const int64_t width = input_.context.config.hidden_size;
    for (auto* each : {&peaks.query_key_value, &peaks.attention_output, &peaks.intermediate}) {
      each->assign(static_cast<size_t>(width), 0.0f);
    }
    std::mutex mutex;
    const auto observe = [&](const Buffer& buffer, const Workspace& workspace, std::vector<float>& peak) {
      const std::lock_guard lock(mutex);
      for (int32_t row = 0; row < workspace.batch.num_tokens(); ++row) {
        const float* x = buffer.data() + row * workspace.hidden_stride;
        for (int64_t i = 0; i < width; ++i) {
          peak[static_cast<size_t>(i)] = std::max(peak[static_cast<size_t>(i)], std::fabs(x[i]));
        }
      }
    };
    const auto& [config, kernels] = input_.context;
    ForBatches(states, [&](Workspace& workspace) {
      const AttentionArgs args{{config, layer, kernels}, 0, nullptr};
      const RowRange all{0, workspace.batch.num_tokens(), 0};
      observe(workspace.hidden_states, workspace, peaks.query_key_value);
      ProjectQueryKeyValue(args, all, workspace, nullptr);
      Attend(args, workspace, nullptr);
      observe(workspace.context, workspace, peaks.attention_output);
      ProjectContext(args, all, workspace, nullptr);
      observe(workspace.hidden_states, workspace, peaks.intermediate);
      FeedForward(args, all, workspace, nullptr);
    });
    return peaks;
  }

  void Run(const LayerWeights& layer, States& states) const {
    ForBatches(states, [&](Workspace& workspace) {
      RunLayer(input_.context, {layer, 0, nullptr, nullptr}, workspace);
    });
  }

  std::vector<std::vector<float>> Vectors(const States& states) const {
    const int32_t width = input_.context.config.hidden_size;
    const int64_t stride = kernels::PadToPanel(width);
    std::vector<std::vector<float>> vectors;
    int64_t row = 0;
    for (const TokenSequence& text : input_.texts) {
      vectors.push_back(input_.pool({states.data() + row * stride, stride, text.num_tokens(), width}, text));
      row += text.num_tokens();
    }
    return vectors;
  }

 private:
  const GateInput& input_;
  const int32_t max_tokens_;
  std::vector<PackedBatch> batches_;
  std::vector<int64_t> first_rows_;
  int64_t total_tokens_ = 0;
};

absl::StatusOr<LayerWeights> LoadLayer(const GateInput& input, size_t index, Precision precision,
                                       const ActivationPeaks* peaks = nullptr) {
  auto layers = LoadLayers(input.file, input.context.config, {static_cast<int32_t>(index), {precision}, peaks},
                           input.num_threads);
  if (!layers.ok()) return layers.status();
  return std::move(layers->front());
}

double RelativeError(const Texts::States& reference, const Texts::States& found) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < reference.size(); ++i) {
    error += std::pow(static_cast<double>(reference[i]) - found[i], 2);
    norm += std::pow(static_cast<double>(reference[i]), 2);
  }
  return norm > 0 ? error / norm : 0;
}

class Gate {
 public:
  explicit Gate(const GateInput& input)
      : input_(input), texts_(input, std::max(kBatchTokens, LongestOf(input.texts))) {}

  absl::StatusOr<GateResult> Load(Precision precision) {
    result_.num_texts = static_cast<int>(input_.texts.size());
    if (absl::Status status = FirstPass(precision); !status.ok()) return status;
    result_.passed = result_.num_texts > 2 && Passes(result_.drift, precision);
    if (result_.num_texts > 2 && !result_.passed) {
      if (absl::Status status = Widen(precision); !status.ok()) return status;
    }
    return std::move(result_);
  }

 private:
  static int32_t LongestOf(const std::vector<TokenSequence>& texts) {
    int32_t longest = 0;
    for (const TokenSequence& text : texts) longest = std::max(longest, text.num_tokens());
    return longest;
  }

  // Takes the states through the fp32 layer, which is gone when this returns.
  absl::StatusOr<ActivationPeaks> RunExactly(size_t index, Texts::States& states) const {
    auto layer = LoadLayer(input_, index, Precision::kFp32);
    if (!layer.ok()) return layer.status();
    return texts_.RunAndObserve(*layer, states);
  }

  // Every layer twice: fp32 and the candidate, each on what its own kind made of the layers before.
  absl::Status FirstPass(Precision precision) {
    Texts::States reference = texts_.Embedded();
    Texts::States found = reference;
    for (int32_t i = 0; i < input_.context.config.num_hidden_layers; ++i) {
      auto peaks = RunExactly(static_cast<size_t>(i), reference);
      if (!peaks.ok()) return peaks.status();
      auto candidate = LoadLayer(input_, static_cast<size_t>(i), precision, &*peaks);
      if (!candidate.ok()) return candidate.status();
      texts_.Run(*candidate, found);
      result_.layers.push_back(*std::move(candidate));
    }
    reference_ = texts_.Vectors(reference);
    result_.drift = MeasureDrift(reference_, texts_.Vectors(found));
    return absl::OkStatus();
  }

  // What each layer adds by itself, in the order of the layers: both kinds on the fp32 states.
  absl::StatusOr<std::vector<double>> ErrorsOfLayers() const {
    std::vector<double> errors;
    Texts::States reference = texts_.Embedded();
    for (size_t i = 0; i < result_.layers.size(); ++i) {
      Texts::States alone = reference;
      texts_.Run(result_.layers[i], alone);
      if (auto peaks = RunExactly(i, reference); !peaks.ok()) return peaks.status();
      errors.push_back(RelativeError(reference, alone));
    }
    return errors;
  }

  // The layers that add most error go first: one, two, four... of them, then the rest of the next width, so that a deep
  // model is not measured once for each layer.
  absl::Status Widen(Precision precision) {
    const auto errors = ErrorsOfLayers();
    if (!errors.ok()) return errors.status();
    std::vector<size_t> order(errors->size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&errors](size_t a, size_t b) { return (*errors)[a] > (*errors)[b]; });
    for (const Precision wider : {Precision::kBf16, Precision::kFp32}) {
      if (wider == precision) continue;
      for (size_t done = 0; done < order.size();) {
        const size_t end = std::min(order.size(), std::max<size_t>(1, 2 * done));
        for (; done < end; ++done) {
          auto layer = LoadLayer(input_, order[done], wider);
          if (!layer.ok()) return layer.status();
          result_.layers[order[done]] = *std::move(layer);
        }
        if (MeasureAgain(precision)) return absl::OkStatus();
      }
    }
    return absl::OkStatus();
  }

  bool MeasureAgain(Precision precision) {
    Texts::States states = texts_.Embedded();
    for (const LayerWeights& layer : result_.layers) texts_.Run(layer, states);
    result_.drift = MeasureDrift(reference_, texts_.Vectors(states));
    result_.passed = Passes(result_.drift, precision);
    return result_.passed;
  }

  const GateInput& input_;
  const Texts texts_;
  GateResult result_;
  std::vector<std::vector<float>> reference_;
};

}  // namespace

absl::StatusOr<GateResult> LoadThroughGate(const GateInput& input, Precision precision) {
  return Gate(input).Load(precision);
}

std::string DescribeLayers(Precision precision, const std::vector<LayerWeights>& layers) {
  std::string text = PrecisionName(precision);
  for (const Precision wider : {Precision::kBf16, Precision::kFp32}) {
    std::string indices;
    for (size_t i = 0; i < layers.size(); ++i) {
      if (layers[i].precision == wider && wider != precision) {
        absl::StrAppend(&indices, indices.empty() ? "" : " ", i);
      }
    }
    if (!indices.empty()) absl::StrAppend(&text, ", layers ", indices, " in ", PrecisionName(wider));
  }
  return text;
}

}  // namespace attendant
