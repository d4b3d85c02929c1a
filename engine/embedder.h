// The engine's facade: load a model directory once; then tokens in, vectors or attention maps out.
//
// It is not: a scheduler (no queue, no threads of its own after Load), and it knows no transport.
// Thread-safety: an Embedder is immutable after Load (what Ranges measures once does not show but in time), all const
// members may be called from any thread at once;
// a Workspace belongs to one thread at a time.
#ifndef ATTENDANT_ENGINE_EMBEDDER_H_
#define ATTENDANT_ENGINE_EMBEDDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/output_encoding.h"
#include "engine/sequence.h"
#include "engine/team.h"
#include "engine/tokenizer/tokenizer.h"

namespace attendant {

struct EmbedderOptions {
  std::string model_dir;
  std::string precision = "fp32";     // fp32, bf16, int8, or auto: the fastest that passes the drift gate
  std::string precision_gate = "on";  // on, or off: load what is asked for without measuring its drift
  std::string isa = "auto";           // auto, or a name of kernels/dispatch.h; one the CPU lacks is an error
  std::string engine = "native";      // native, or reference (the slow Eigen twin)
  int load_threads = 1;               // used while loading (packing weights), then gone
  int32_t max_batch_tokens = 512;     // capacity of a Workspace; raised to the model's max_tokens where that is larger
};

// What a loaded model is. Everything a client may be told.
struct ModelInfo {
  std::string name;              // the directory's base name
  std::string architecture;      // config.json's model_type
  std::string precision;         // fp32, bf16 or int8: of most layers
  std::string precision_reason;  // the drift gate's figures and what followed from them, for the start-up log
  std::string kernels;           // instruction set chosen, such as "avx512vnni"
  std::string kernels_reason;    // why, for the start-up log
  std::string fingerprint;       // hex
  int32_t hidden_size = 0;
  int32_t num_layers = 0;
  int32_t num_heads = 0;
  int32_t vocab_size = 0;
  int32_t type_vocab_size = 0;
  int32_t max_tokens = 0;  // longest sequence accepted, special tokens included
  int32_t max_batch_tokens = 0;
  int32_t dimension = 0;  // of a pooled vector with the model's own pooling
  std::vector<PoolingMode> pooling;
  bool normalize = false;
  std::map<std::string, std::string> prompts;
  std::string default_prompt_name;  // "" when there is none
  // Trained so that the first values of a vector are one, too; with sizes: for these.
  bool matryoshka = false;
  std::vector<int32_t> matryoshka_dimensions;                   // ascending
  SimilarityFunction similarity = SimilarityFunction::kCosine;  // what its vectors were trained to be compared with
  int64_t weights_bytes = 0;
};

// One thing to embed, as a caller gives it. Views: the caller keeps the text alive during the call.
struct TextInput {
  std::string_view text;
};
struct PairInput {
  std::string_view first, second;
};
struct IdsInput {
  std::span<const int32_t> input_ids;
  std::span<const int32_t> token_type_ids;  // empty, or as long as input_ids
  bool add_special_tokens = false;
};
using Input = std::variant<TextInput, PairInput, IdsInput>;

// kModelDefault cuts at the end like kEnd; of a pair the longer text first. kWindow: for TokenizeWindows.
enum class Truncation { kModelDefault, kError, kEnd, kStart, kWindow };

struct TokenizeOptions {
  // At most one is set; neither: the model's default prompt. An empty prompt_text means none.
  std::optional<std::string> prompt_name;
  std::optional<std::string> prompt_text;
  Truncation truncation = Truncation::kModelDefault;
  int32_t max_tokens = 0;  // 0: the model's own; a larger number is cut to it
};

struct TokenizedItem {
  TokenSequence sequence;
  std::vector<Offset> offsets;  // one per token, in the text with the prompt in front
  int32_t tokens_dropped = 0;
  int32_t prompt_chars = 0;  // code points of the prompt, which offsets count, too
};

struct WindowLimits {
  int32_t size = 0;  // tokens, special tokens and prompt included; 0: the model's own; a larger one is cut
  std::optional<int32_t> overlap;  // in tokens of the text; unset: an eighth of those that fit
  int32_t max_windows = 0;         // more are an error
};

// A piece of a long input, to be run like a sequence of its own.
struct InputWindow {
  TokenSequence sequence;
  int32_t content_tokens = 0;  // of the text, that is without prompt and special tokens: what it weighs
  Offset chars;                // of the text, prompt not counted; {0, 0} for ids
};

// An input that is wrong: what, and in which field of it ("text", "pair", "tokens.input_ids[7]", "prompt_name", ...).
struct InputError {
  absl::Status status;  // INVALID_ARGUMENT
  std::string field;
};

// One sequence of a batch and what is wanted of it. Pointers are borrowed for the call.
struct SequenceTask {
  const TokenSequence* sequence = nullptr;
  const EmbedSpec* embed = nullptr;          // null: no vector wanted
  const AttentionSpec* attention = nullptr;  // null: no attention wanted
  SequenceResult* result = nullptr;          // written unless the task was abandoned
  std::span<const EmbedSpec> additional{};   // more outputs of the same pass; only beside `embed`
};

// Polled between layers with the index of a task; true: its caller has gone, drop it. May be empty.
using AbandonedPredicate = std::function<bool(size_t task_index)>;

class Workspace;  // all scratch of one worker, allocated once
struct WorkspaceDeleter {
  void operator()(Workspace* workspace) const;  // here, because the type is incomplete for those who own one
};
using WorkspacePtr = std::unique_ptr<Workspace, WorkspaceDeleter>;

class Embedder {
 public:
  static absl::StatusOr<std::unique_ptr<Embedder>> Load(const EmbedderOptions& options);
  // About how much memory a loaded model will take, with a workspace for each of so many workers: from the headers of
  // its files, without reading the weights. "auto" counts as fp32, which it may turn out to be.
  static absl::StatusOr<int64_t> EstimateBytes(const EmbedderOptions& options, int workers);

  ~Embedder();

  const ModelInfo& info() const;
  const Tokenizer& tokenizer() const;

  // Prompt, special tokens, truncation and validation of one input. Text without content (empty, blank, or only
  // characters that the tokenizer drops) is an error.
  std::variant<TokenizedItem, InputError> Tokenize(const Input& input, const TokenizeOptions& options) const;

  // The same without truncation: an input that is too long becomes several windows, each with prompt and special
  // tokens; one that is not becomes one, just as by Tokenize. A pair, or complete ids, that are too long are an error.
  std::variant<std::vector<InputWindow>, InputError> TokenizeWindows(const Input& input, const TokenizeOptions& options,
                                                                     const WindowLimits& limits) const;

  // Checks a caller's wishes against the model; INVALID_ARGUMENT names what is wrong. num_tokens: of the sequence.
  absl::Status CheckAttentionSpec(const AttentionSpec& spec, int32_t num_tokens) const;
  // Floats in one vector of the output.
  int32_t OutputDimension(const EmbedSpec& spec) const;
  // What the values of such vectors range over, for one-byte encodings: over the calibration texts, so that it is a
  // property of the model. The first call runs them, on its thread: some 0.2 s for a small model; others wait
  // meanwhile. INVALID_ARGUMENT for what was not measured: token vectors, other pooling than the model's.
  absl::StatusOr<QuantizationRanges> Ranges(const EmbedSpec& spec) const;
  // Has that been done?
  bool RangesAreKnown() const;

  // Call once, early in a process: a model's file that is cut short while it is served then costs its own vectors, and
  // not the process (SIGBUS). Takes over that signal.
  static void SurviveCutFiles();
  // OK, or INTERNAL: a file that the model still reads was cut short after Load (engine/model/mapped_file.h), and Run
  // fails every task from then on. Names the file, for the operator; callers are told less.
  absl::Status Condition() const;

  WorkspacePtr NewWorkspace() const;

  // Runs the tasks as one packed batch. Preconditions: sequences are valid (from Tokenize) and hold together at most
  // info().max_batch_tokens tokens. A task whose values are not finite gets an INTERNAL status, its neighbours do not
  // notice. team (may be null): threads that share the work. Each result's bytes depend on its own sequence only, never
  // on the batch, the thread or the time.
  void Run(std::span<const SequenceTask> tasks, Workspace& workspace, const AbandonedPredicate& abandoned,
           Team* team = nullptr) const;

 private:
  class Impl;
  explicit Embedder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_EMBEDDER_H_
