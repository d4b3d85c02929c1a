// A model that tokenises by spaces and embeds at once, and can be held up: for the services' tests.
//
// Words are ids: "w7" is 7, any other word is its length. Vectors are [number of tokens, sum of ids, 0, 0]; not
// normalised, unless they are cut; those of spans are [..., ..., first token, behind the last].
// Thread-safety: FakeModel is immutable; Gate and FakeRunner are thread-safe.
#ifndef ATTENDANT_TESTS_SERVER_RPC_FAKE_MODEL_H_
#define ATTENDANT_TESTS_SERVER_RPC_FAKE_MODEL_H_

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "server/models/served_model.h"
#include "server/scheduling/batch_runner.h"

namespace attendant::testing {

inline constexpr int32_t kPoisonId = 666;  // its sequence's vector is not finite
inline constexpr int32_t kFakeMaxTokens = 16;

class FakeModel final : public ServedModel {
 public:
  FakeModel() {
    info_.name = "fake";
    info_.architecture = "bert";
    info_.precision = "fp32";
    info_.kernels = "scalar";
    info_.fingerprint = "f00d";
    info_.hidden_size = info_.dimension = 4;
    info_.num_layers = 2;
    info_.num_heads = 3;
    info_.vocab_size = 1000;
    info_.type_vocab_size = 2;
    info_.max_tokens = kFakeMaxTokens;
    info_.pooling = {PoolingMode::kMean};
    info_.normalize = true;
    info_.prompts = {{"query", "w1 w2 "}};
    info_.matryoshka = true;
    info_.matryoshka_dimensions = {2};
  }

  const ModelInfo& info() const override { return info_; }

  std::variant<TokenizedItem, InputError> Tokenize(const Input& input, const TokenizeOptions& options) const override {
    if (const auto* ids = std::get_if<IdsInput>(&input)) return TokenizeIds(*ids);
    std::string text;
    if (const auto* single = std::get_if<TextInput>(&input)) text = std::string(single->text);
    if (const auto* pair = std::get_if<PairInput>(&input))
      text = std::string(pair->first) + " " + std::string(pair->second);
    if (text.find_first_not_of(' ') == std::string::npos) return Error("text", "the text is empty or blank");
    if (options.prompt_name.has_value() && info_.prompts.count(*options.prompt_name) == 0) {
      return Error("prompt_name", "the model has no such prompt");
    }
    const std::string prompt = options.prompt_name ? info_.prompts.at(*options.prompt_name) : "";
    TokenizedItem item = Words(prompt + text);
    item.prompt_chars = static_cast<int32_t>(prompt.size());
    const int32_t limit = options.max_tokens > 0 ? options.max_tokens : info_.max_tokens;
    const int32_t size = item.sequence.num_tokens();
    if (size > limit && options.truncation == Truncation::kError) return Error("text", "too long");
    if (size > limit && options.truncation != Truncation::kWindow) {
      item.tokens_dropped = size - limit;
      const bool at_start = options.truncation == Truncation::kStart;
      const auto cut = [&](auto* values) {
        values->erase(at_start ? values->begin() : values->begin() + limit,
                      at_start ? values->begin() + item.tokens_dropped : values->end());
      };
      cut(&item.sequence.input_ids);
      cut(&item.sequence.token_type_ids);
      cut(&item.offsets);
    }
    return item;
  }

  // Windows of a text, without a prompt.
  std::variant<std::vector<InputWindow>, InputError> TokenizeWindows(const Input& input, const TokenizeOptions& options,
                                                                     const WindowLimits& limits) const override {
    TokenizeOptions uncut = options;
    uncut.truncation = Truncation::kWindow;
    auto tokenized = Tokenize(input, uncut);
    if (auto* error = std::get_if<InputError>(&tokenized)) return *error;
    const TokenizedItem& item = std::get<TokenizedItem>(tokenized);
    const int32_t size = limits.size > 0 ? limits.size : info_.max_tokens;
    if (limits.overlap.value_or(0) >= size) return Error("window.overlap", "too much");
    std::vector<InputWindow> windows;
    for (int32_t first = 0;; first += size - limits.overlap.value_or(0)) {
      const int32_t last = std::min(first + size, item.sequence.num_tokens());
      InputWindow window{.content_tokens = last - first};
      window.sequence.input_ids.assign(item.sequence.input_ids.begin() + first, item.sequence.input_ids.begin() + last);
      window.sequence.token_type_ids.resize(window.sequence.input_ids.size());
      window.chars = {item.offsets[static_cast<size_t>(first)].start, item.offsets[static_cast<size_t>(last) - 1].end};
      windows.push_back(std::move(window));
      if (static_cast<int32_t>(windows.size()) > limits.max_windows) return Error("text", "too many windows");
      if (last == item.sequence.num_tokens()) return windows;
    }
  }

  absl::Status CheckAttentionSpec(const AttentionSpec&, int32_t) const override { return absl::OkStatus(); }
  int32_t OutputDimension(const EmbedSpec& spec) const override {
    return spec.dimensions > 0 ? spec.dimensions : info_.dimension;
  }
  bool RangesAreKnown() const override { return true; }
  absl::StatusOr<QuantizationRanges> Ranges(const EmbedSpec& spec) const override {
    if (spec.output == OutputKind::kTokens) return absl::InvalidArgumentError("no ranges for tokens");
    const auto size = static_cast<size_t>(OutputDimension(spec));
    return QuantizationRanges{std::vector<float>(size, 0.0f), std::vector<float>(size, 255.0f)};
  }
  std::string_view TokenText(int32_t id) const override { return id == 0 ? "[CLS]" : "word"; }
  bool IsSpecialToken(int32_t id) const override { return id == 0; }

 private:
  static InputError Error(const char* field, const char* message) {
    return {absl::InvalidArgumentError(message), field};
  }

  std::variant<TokenizedItem, InputError> TokenizeIds(const IdsInput& ids) const {
    TokenizedItem item;
    for (size_t i = 0; i < ids.input_ids.size(); ++i) {
      if (ids.input_ids[i] < 0 || ids.input_ids[i] >= info_.vocab_size) {
        return InputError{absl::InvalidArgumentError("not in the vocabulary"),
                          "tokens.input_ids[" + std::to_string(i) + "]"};
      }
      item.sequence.input_ids.push_back(ids.input_ids[i]);
    }
    return Complete(std::move(item));
  }

  static TokenizedItem Words(const std::string& text) {
    constexpr const char* kSpace = " \n\t";
    TokenizedItem item;
    for (size_t begin = text.find_first_not_of(kSpace); begin != std::string::npos;) {
      const size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
      const std::string word = text.substr(begin, end - begin);
      const bool id = word.size() > 1 && word[0] == 'w' && std::isdigit(static_cast<unsigned char>(word[1]));
      item.sequence.input_ids.push_back(id ? std::stoi(word.substr(1)) : static_cast<int32_t>(word.size()));
      item.sequence.token_type_ids.push_back(0);
      const bool special = item.sequence.input_ids.back() == 0;
      item.offsets.push_back(special ? Offset() : Offset{static_cast<int32_t>(begin), static_cast<int32_t>(end)});
      begin = text.find_first_not_of(kSpace, end);
    }
    return item;
  }

  static TokenizedItem Complete(TokenizedItem item) {
    item.sequence.token_type_ids.resize(item.sequence.input_ids.size());
    item.offsets.resize(item.sequence.input_ids.size());
    return item;
  }

  ModelInfo info_;
};

// Open at first; while it is closed, batches wait in it.
class Gate {
 public:
  void Close() { Set(false); }
  void Open() { Set(true); }
  // Returns when a batch has arrived at the closed gate.
  void AwaitArrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  void Pass(const std::function<bool()>& abandoned) {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    // The engine polls between layers, too.
    while (!open_ && !abandoned()) changed_.wait_for(lock, std::chrono::milliseconds(1));
    --waiting_;
  }

 private:
  void Set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

class FakeRunner final : public BatchRunner {
 public:
  explicit FakeRunner(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  std::unique_ptr<Session> NewSession() override { return std::make_unique<FakeSession>(gate_.get()); }

 private:
  class FakeSession final : public Session {
   public:
    explicit FakeSession(Gate* gate) : gate_(gate) {}

    void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned, Team*) override {
      const auto gone = [&](size_t i) { return abandoned && abandoned(i); };
      gate_->Pass([&] {
        for (size_t i = 0; i < tasks.size(); ++i) {
          if (!gone(i)) return false;
        }
        return true;
      });
      for (size_t i = 0; i < tasks.size(); ++i) {
        tasks[i].result->abandoned = gone(i);
        if (!tasks[i].result->abandoned) Compute(tasks[i]);
      }
    }

   private:
    static void Compute(const SequenceTask& task) {
      const std::vector<int32_t>& ids = task.sequence->input_ids;
      const auto num_tokens = static_cast<float>(ids.size());
      if (std::find(ids.begin(), ids.end(), kPoisonId) != ids.end()) {
        task.result->status = absl::InternalError("the result is not finite");
        return;
      }
      const auto sum = static_cast<float>(std::accumulate(ids.begin(), ids.end(), 0));
      const std::vector<float> vector = {num_tokens, sum, 0.0f, 0.0f};
      if (task.embed != nullptr) task.result->embedding = Rows(vector, ids.size(), *task.embed);
      for (const EmbedSpec& spec : task.additional) {
        task.result->additional.push_back(Rows(vector, ids.size(), spec));
      }
      if (task.attention != nullptr) Attend(*task.attention, ids.size(), &task.result->attention);
    }

    static std::vector<float> Rows(std::vector<float> vector, size_t num_tokens, const EmbedSpec& spec) {
      if (spec.dimensions > 0) {
        vector.resize(static_cast<size_t>(spec.dimensions));
        const float length = std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0f));
        for (float& value : vector) value = spec.normalize ? value / length : value;
      }
      std::vector<float> rows;
      const size_t count = spec.output == OutputKind::kTokens  ? num_tokens
                           : spec.output == OutputKind::kSpans ? spec.spans.size()
                                                               : 1;
      for (size_t row = 0; row < count; ++row) {
        if (spec.output == OutputKind::kSpans) {
          vector[2] = static_cast<float>(spec.spans[row].begin);
          vector[3] = static_cast<float>(spec.spans[row].end);
        }
        rows.insert(rows.end(), vector.begin(), vector.end());
      }
      return rows;
    }

    // Value i of the flattened tensor is i.
    static void Attend(const AttentionSpec& spec, size_t num_tokens, std::vector<float>* out) {
      const size_t layers = spec.layers.empty() ? 2 : spec.layers.size();
      const size_t heads = spec.reduction != HeadReduction::kNone ? 1 : spec.heads.empty() ? 3 : spec.heads.size();
      const size_t rows = spec.query_rows.empty() ? num_tokens : spec.query_rows.size();
      out->resize(layers * heads * rows * num_tokens);
      std::iota(out->begin(), out->end(), 0.0f);
    }

    Gate* gate_;
  };

  std::shared_ptr<Gate> gate_;
};

}  // namespace attendant::testing

#endif  // ATTENDANT_TESTS_SERVER_RPC_FAKE_MODEL_H_
