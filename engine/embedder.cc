#include "engine/embedder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <future>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "engine/attention_collector.h"
#include "engine/calibration_texts.h"
#include "engine/fingerprint.h"
#include "engine/input_tokenizer.h"
#include "engine/kernels/dispatch.h"
#include "engine/model/encoder.h"
#include "engine/model/pooling.h"
#include "engine/model/reference_encoder.h"
#include "engine/model/workspace.h"
#include "engine/precision_choice.h"
#include "engine/vector_maker.h"

namespace attendant {
namespace {

const EmbedSpec kPooled;

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// Everything that decides what the vectors mean, in one text.
// precision: of each layer.
std::string FingerprintOf(const ModelInfo& info, const SentenceConfig& sentence, const std::string& precision,
                          const std::string& weights_digest, const std::string& tokenizer_digest) {
  std::string text =
      absl::StrCat("attendant-fingerprint-1\nweights ", weights_digest, "\ntokenizer ", tokenizer_digest,
                   "\nprecision ", precision, "\nmax_tokens ", info.max_tokens, "\nlower_case ", sentence.do_lower_case,
                   "\ninclude_prompt ", sentence.include_prompt, "\nnormalize ", info.normalize, "\npooling");
  for (const PoolingMode mode : info.pooling) absl::StrAppend(&text, " ", static_cast<int>(mode));
  absl::StrAppend(&text, "\ndefault_prompt ", info.default_prompt_name, "\n");
  for (const auto& [name, prompt] : info.prompts) absl::StrAppend(&text, "prompt ", name, " ", Sha256(prompt), "\n");
  return Sha256(text).substr(0, 32);
}

absl::Status CheckIndices(const std::vector<int32_t>& indices, int32_t count, const char* what) {
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= count) {
      return absl::InvalidArgumentError(absl::StrCat(what, "[", i, "]: ", indices[i], " is not in 0 to ", count - 1));
    }
    if (i > 0 && indices[i] <= indices[i - 1]) {
      return absl::InvalidArgumentError(absl::StrCat(what, "[", i, "]: indices must ascend, without duplicates"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

class Embedder::Impl {
 public:
  absl::Status Load(const EmbedderOptions& options);
  void Run(std::span<const SequenceTask> tasks, Workspace& workspace, const AbandonedPredicate& abandoned,
           Team* team) const;
  absl::StatusOr<QuantizationRanges> Ranges(const EmbedSpec& spec) const;
  bool RangesAreKnown() const { return is_calibrated_.load(std::memory_order_acquire); }
  const VectorMaker& vectors() const { return *vectors_; }
  absl::Status Condition() const { return file_->Condition(); }

  ModelInfo info;
  ModelConfig config;
  SentenceConfig sentence;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<InputTokenizer> input_tokenizer;

 private:
  absl::Status LoadWeightsFile(const EmbedderOptions& options, const std::string& directory);
  absl::Status LoadEncoder(const EmbedderOptions& options);
  std::vector<TokenSequence> GateTexts() const;
  absl::Status FillInfo(const EmbedderOptions& options);
  absl::StatusOr<std::string> DigestWeights(const std::string& directory) const;

  void RunNative(std::span<const SequenceTask> tasks, Workspace& workspace, const AbandonedPredicate& abandoned,
                 Team* team) const;
  void RunReference(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned) const;
  void Calibrate() const;
  void Collect(const HiddenRows& rows, const SequenceTask& task) const;

  std::unique_ptr<SafetensorsFile> file_;
  const kernels::KernelTable* kernels_ = nullptr;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<const VectorMaker> vectors_;
  std::string precision_of_layers_;  // for the fingerprint
  std::unique_ptr<Encoder> encoder_;
  std::unique_ptr<ReferenceEncoder> reference_;  // instead of encoder_ with engine = "reference"
  // Made once, when they are first asked for.
  mutable std::once_flag calibrated_;
  mutable std::atomic<bool> is_calibrated_{false};
  mutable std::vector<float> calibration_;  // [texts, dimension]: whole, not normalised
};

absl::Status Embedder::Impl::Load(const EmbedderOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_directory(options.model_dir, error)) {
    return absl::NotFoundError(absl::StrCat("model directory ", options.model_dir, " does not exist"));
  }
  auto directory = FindTransformerDirectory(options.model_dir);
  if (!directory.ok()) return directory.status();
  auto model_config = ReadModelConfig(*directory);
  if (!model_config.ok()) return model_config.status();
  config = *std::move(model_config);
  auto sentence_config = ReadSentenceConfig(options.model_dir, config);
  if (!sentence_config.ok()) return sentence_config.status();
  sentence = *std::move(sentence_config);

  // Hashing the weights file and reading the tokenizer take as long as packing: side by side.
  auto digest = std::async(std::launch::async, [this, &directory] { return DigestWeights(*directory); });
  auto loaded_tokenizer = std::async(std::launch::async, [&directory] { return Tokenizer::Load(*directory); });
  const absl::Status weights_status = LoadWeightsFile(options, *directory);
  auto tokenizer_or = loaded_tokenizer.get();
  if (!weights_status.ok()) return weights_status;
  if (!tokenizer_or.ok()) return tokenizer_or.status();
  tokenizer = *std::move(tokenizer_or);
  if (const absl::Status status = FillInfo(options); !status.ok()) return status;
  input_tokenizer = std::make_unique<InputTokenizer>(config, sentence, *tokenizer);
  if (const absl::Status status = LoadEncoder(options); !status.ok()) return status;
  auto digest_or = digest.get();
  if (!digest_or.ok()) return digest_or.status();
  if (absl::Status status = Condition(); !status.ok()) return status;
  info.weights_bytes = weights_->packed_bytes() + static_cast<int64_t>(weights_->embeddings.word.size_bytes);
  info.fingerprint = FingerprintOf(info, sentence, precision_of_layers_, *digest_or, tokenizer->files_digest());
  return absl::OkStatus();
}

absl::StatusOr<std::string> Embedder::Impl::DigestWeights(const std::string& directory) const {
  auto digest = Sha256OfFile(directory + "/model.safetensors");
  if (!digest.ok()) return digest.status();
  std::string all = *digest;
  for (const DenseConfig& dense : sentence.dense) {
    auto dense_digest = Sha256OfFile(dense.directory + "/model.safetensors");
    if (!dense_digest.ok()) return dense_digest.status();
    absl::StrAppend(&all, " ", *dense_digest, " ", static_cast<int>(dense.activation));
  }
  return all;
}

// The file, and of its weights all but the layers.
absl::Status Embedder::Impl::LoadWeightsFile(const EmbedderOptions& options, const std::string& directory) {
  auto choice = kernels::ChooseKernels(options.isa);
  if (!choice.ok()) return choice.status();
  kernels_ = choice->table;
  info.kernels = kernels_->name;
  info.kernels_reason = choice->reason;
  auto file = SafetensorsFile::Open(directory + "/model.safetensors");
  if (!file.ok()) {
    if (!absl::IsNotFound(file.status())) return file.status();
    return absl::NotFoundError(
        absl::StrCat(file.status().message(), " (weights are read from model.safetensors only)"));
  }
  file_ = *std::move(file);
  auto weights = LoadWeights(*file_, config, sentence.dense, std::max(1, options.load_threads));
  if (!weights.ok()) return weights.status();
  weights_ = *std::move(weights);
  vectors_ = std::make_unique<VectorMaker>(config.hidden_size, sentence, weights_->dense, *kernels_);
  return absl::OkStatus();
}

absl::Status Embedder::Impl::LoadEncoder(const EmbedderOptions& options) {
  const auto precision = ParsePrecision(options.precision);
  if (!precision.ok()) return precision.status();
  if (options.precision_gate != "on" && options.precision_gate != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown precision_gate \"", options.precision_gate, "\": use on or off"));
  }
  if (options.engine == "reference") {
    auto reference = ReferenceEncoder::Load(*file_, config);
    if (!reference.ok()) return reference.status();
    reference_ = *std::move(reference);
    precision_of_layers_ = info.precision = "fp32";
    info.precision_reason = "the reference engine has no other";
    info.kernels = "eigen";
    info.kernels_reason = "the reference engine was asked for";
    return absl::OkStatus();
  }
  if (options.engine != "native") {
    return absl::InvalidArgumentError(absl::StrCat("unknown engine \"", options.engine, "\": use native or reference"));
  }
  const EncoderContext context{config, *kernels_};
  const GateMode mode = options.precision_gate == "on" ? GateMode::kOn : GateMode::kOff;
  const bool gated = mode == GateMode::kOn && *precision != Precision::kFp32;
  const std::vector<TokenSequence> texts = gated ? GateTexts() : std::vector<TokenSequence>();
  const auto pool = [this](const HiddenRows& rows, const TokenSequence& sequence) {
    return vectors_->Make(rows, sequence, kPooled);
  };
  auto chosen =
      ChooseLayers({*file_, context, *weights_, texts, pool, std::max(1, options.load_threads)}, *precision, mode);
  if (!chosen.ok()) return chosen.status();
  info.precision = PrecisionName(chosen->precision);
  info.precision_reason = std::move(chosen->reason);
  precision_of_layers_ = DescribeLayers(chosen->precision, chosen->layers);
  weights_->layers = std::move(chosen->layers);
  encoder_ = std::make_unique<Encoder>(context, *weights_);
  return absl::OkStatus();
}

// Without those that have no content for this model's tokenizer.
std::vector<TokenSequence> Embedder::Impl::GateTexts() const {
  std::vector<TokenSequence> texts;
  for (const std::string_view text : CalibrationTexts()) {
    auto tokenized = input_tokenizer->Tokenize(TextInput{text}, {.truncation = Truncation::kEnd});
    if (auto* item = std::get_if<TokenizedItem>(&tokenized)) texts.push_back(std::move(item->sequence));
  }
  return texts;
}

absl::Status Embedder::Impl::FillInfo(const EmbedderOptions& options) {
  // Every id that the tokenizer can produce must have a row in the embedding table.
  if (tokenizer->vocab_size() > config.vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(options.model_dir, ": the tokenizer has ids up to ",
                                                   tokenizer->vocab_size() - 1, ", config.json a vocab_size of ",
                                                   config.vocab_size));
  }
  if (sentence.max_seq_length < tokenizer->num_special_tokens(/*pair=*/false) + 1) {
    return absl::InvalidArgumentError(absl::StrCat(options.model_dir, ": a maximum length of ", sentence.max_seq_length,
                                                   " tokens leaves no room beside the special tokens"));
  }
  info.name = std::filesystem::path(options.model_dir).lexically_normal().filename().string();
  if (info.name.empty()) {
    info.name = std::filesystem::path(options.model_dir).lexically_normal().parent_path().filename().string();
  }
  info.architecture = config.model_type;
  info.hidden_size = config.hidden_size;
  info.num_layers = config.num_hidden_layers;
  info.num_heads = config.num_attention_heads;
  info.vocab_size = config.vocab_size;
  info.type_vocab_size = config.type_vocab_size;
  info.max_tokens = sentence.max_seq_length;
  info.max_batch_tokens = std::max(options.max_batch_tokens, info.max_tokens);
  info.pooling = sentence.pooling;
  info.normalize = sentence.normalize;
  info.prompts = sentence.prompts;
  info.default_prompt_name = sentence.default_prompt_name;
  info.similarity = sentence.similarity;
  info.matryoshka = sentence.matryoshka.trained;
  info.matryoshka_dimensions = sentence.matryoshka.dimensions;
  info.dimension = vectors_->Dimension(EmbedSpec{});
  return absl::OkStatus();
}

// The vectors of the calibration texts, whole: what they range over depends on how they are cut.
void Embedder::Impl::Calibrate() const {
  Workspace workspace(config, info.max_tokens);
  for (const TokenSequence& text : GateTexts()) {
    SequenceResult result;
    const SequenceTask task{.sequence = &text, .embed = &kPooled, .result = &result};
    Run({&task, 1}, workspace, nullptr, nullptr);
    // A text that the model makes no numbers of says nothing about its numbers.
    if (result.status.ok()) calibration_.insert(calibration_.end(), result.embedding.begin(), result.embedding.end());
  }
  is_calibrated_.store(true, std::memory_order_release);
}

absl::StatusOr<QuantizationRanges> Embedder::Impl::Ranges(const EmbedSpec& spec) const {
  if (spec.output != OutputKind::kPooled || !spec.pooling.empty()) {
    return absl::InvalidArgumentError(
        "ranges were measured for vectors of the model's own pooling only; give ranges for others");
  }
  std::call_once(calibrated_, [this] { Calibrate(); });
  if (calibration_.empty()) return absl::InvalidArgumentError("the model has no ranges of its own; give some");
  std::vector<float> vectors = calibration_;
  vectors_->Shape(spec, &vectors);
  return RangesOf(vectors, static_cast<size_t>(vectors_->Dimension(spec)));
}

void Embedder::Impl::Run(std::span<const SequenceTask> tasks, Workspace& workspace, const AbandonedPredicate& abandoned,
                         Team* team) const {
  if (reference_ != nullptr) {
    RunReference(tasks, abandoned);
  } else {
    RunNative(tasks, workspace, abandoned, team);
  }
  if (Condition().ok()) return;
  for (const SequenceTask& task : tasks) {
    task.result->embedding.clear();
    task.result->attention.clear();
    task.result->status = absl::InternalError("the model's weights were damaged while it was served");
  }
}

void Embedder::Impl::RunNative(std::span<const SequenceTask> tasks, Workspace& workspace,
                               const AbandonedPredicate& abandoned, Team* team) const {
  workspace.batch.Clear();
  bool maps = false;
  for (size_t i = 0; i < tasks.size(); ++i) {
    workspace.batch.Add(tasks[i].sequence, i);
    tasks[i].result->abandoned = true;  // until it is seen to have survived
    maps = maps || tasks[i].attention != nullptr;
  }
  if (maps) {
    AttentionCollector collector(tasks, workspace.batch, info);
    encoder_->Forward(workspace, abandoned, &collector, team);
    collector.Finish();
  } else {
    encoder_->Forward(workspace, abandoned, nullptr, team);
  }
  for (size_t i = 0; i < workspace.batch.size(); ++i) {
    const SequenceTask& task = tasks[workspace.batch.task_indices[i]];
    const float* rows = workspace.hidden_states.data() + workspace.batch.cu_seqlens[i] * workspace.hidden_stride;
    Collect({rows, workspace.hidden_stride, workspace.batch.length(i), config.hidden_size}, task);
  }
}

void Embedder::Impl::RunReference(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned) const {
  for (size_t i = 0; i < tasks.size(); ++i) {
    const SequenceTask& task = tasks[i];
    task.result->abandoned = true;
    if (abandoned && abandoned(i)) continue;
    const int32_t n = task.sequence->num_tokens();
    const bool maps = task.attention != nullptr;
    const ReferenceOutput output =
        reference_->Forward(*task.sequence, maps ? ReferenceEncoder::Maps::kAll : ReferenceEncoder::Maps::kNone);
    if (maps) {
      PackedBatch batch;
      batch.Add(task.sequence, 0);
      AttentionCollector collector({&task, 1}, batch, info);
      const std::vector<float> ones(static_cast<size_t>(n), 1.0f);
      for (int32_t plane = 0; plane < info.num_layers * info.num_heads; ++plane) {
        const AttentionBlock block{0,
                                   plane / info.num_heads,
                                   plane % info.num_heads,
                                   0,
                                   n,
                                   n,
                                   output.attention.data() + static_cast<int64_t>(plane) * n * n,
                                   n,
                                   ones.data()};
        if (collector.Wants(0, block.layer, block.head)) collector.Take(block);
      }
      collector.Finish();
    }
    Collect({output.hidden_states.data(), config.hidden_size, n, config.hidden_size}, task);
  }
}

// Pooling, projection, normalisation and the check that nothing but finite numbers leaves the engine.
void Embedder::Impl::Collect(const HiddenRows& rows, const SequenceTask& task) const {
  SequenceResult& result = *task.result;
  result.abandoned = false;
  result.status = absl::OkStatus();
  bool finite = AllFinite(result.attention);
  if (task.embed != nullptr) {
    result.embedding = vectors_->Make(rows, *task.sequence, *task.embed);
    finite = finite && AllFinite(result.embedding);
    for (const EmbedSpec& spec : task.additional) {
      result.additional.push_back(vectors_->Make(rows, *task.sequence, spec));
      finite = finite && AllFinite(result.additional.back());
    }
  }
  if (finite) return;
  result.embedding.clear();
  result.additional.clear();
  result.attention.clear();
  result.status = absl::InternalError("the model produced values that are not finite for this item");
}

Embedder::Embedder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Embedder::~Embedder() = default;

absl::StatusOr<std::unique_ptr<Embedder>> Embedder::Load(const EmbedderOptions& options) {
  auto impl = std::make_unique<Impl>();
  if (const absl::Status status = impl->Load(options); !status.ok()) return status;
  return std::unique_ptr<Embedder>(new Embedder(std::move(impl)));
}

const ModelInfo& Embedder::info() const { return impl_->info; }
const Tokenizer& Embedder::tokenizer() const { return *impl_->tokenizer; }

std::variant<TokenizedItem, InputError> Embedder::Tokenize(const Input& input, const TokenizeOptions& options) const {
  return impl_->input_tokenizer->Tokenize(input, options);
}

std::variant<std::vector<InputWindow>, InputError> Embedder::TokenizeWindows(const Input& input,
                                                                             const TokenizeOptions& options,
                                                                             const WindowLimits& limits) const {
  return impl_->input_tokenizer->TokenizeWindows(input, options, limits);
}

absl::Status Embedder::CheckAttentionSpec(const AttentionSpec& spec, int32_t num_tokens) const {
  if (absl::Status status = CheckIndices(spec.layers, info().num_layers, "layers"); !status.ok()) return status;
  if (absl::Status status = CheckIndices(spec.heads, info().num_heads, "heads"); !status.ok()) return status;
  return CheckIndices(spec.query_rows, num_tokens, "query_rows");
}

int32_t Embedder::OutputDimension(const EmbedSpec& spec) const { return impl_->vectors().Dimension(spec); }
absl::StatusOr<QuantizationRanges> Embedder::Ranges(const EmbedSpec& spec) const { return impl_->Ranges(spec); }
bool Embedder::RangesAreKnown() const { return impl_->RangesAreKnown(); }

void Embedder::SurviveCutFiles() { attendant::SurviveCutFiles(); }

absl::Status Embedder::Condition() const { return impl_->Condition(); }

void WorkspaceDeleter::operator()(Workspace* workspace) const { delete workspace; }

WorkspacePtr Embedder::NewWorkspace() const {
  return WorkspacePtr(new Workspace(impl_->config, info().max_batch_tokens));
}

void Embedder::Run(std::span<const SequenceTask> tasks, Workspace& workspace, const AbandonedPredicate& abandoned,
                   Team* team) const {
  impl_->Run(tasks, workspace, abandoned, team);
}

}  // namespace attendant
