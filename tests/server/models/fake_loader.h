// A loader whose models compute at once what the test says, and which can be held up: for the manager and the checks.
//
// A directory's name decides: "bad" cannot be loaded, "huge" needs a terabyte, "throws" is out of memory. The vector of
// a text is one of two numbers that depend on its tokens alone, of length 1.
// Thread-safety: any thread; every wait is bounded.
#ifndef ATTENDANT_TESTS_SERVER_MODELS_FAKE_LOADER_H_
#define ATTENDANT_TESTS_SERVER_MODELS_FAKE_LOADER_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "server/models/model_loader.h"

namespace attendant::testing {

// Changes the vectors of a batch after they were computed.
using Spoiler = std::function<void(std::span<const SequenceTask>)>;

class AngleRunner final : public BatchRunner {
 public:
  explicit AngleRunner(Spoiler spoiler = {}) : spoiler_(std::move(spoiler)) {}

  std::unique_ptr<Session> NewSession() override { return std::make_unique<AngleSession>(spoiler_); }

  static std::vector<float> VectorOf(const TokenSequence& sequence) {
    const int sum = std::accumulate(sequence.input_ids.begin(), sequence.input_ids.end(), 0);
    const float angle = static_cast<float>(sum % 100) / 100;
    return {std::cos(angle), std::sin(angle)};
  }

 private:
  class AngleSession final : public Session {
   public:
    explicit AngleSession(Spoiler spoiler) : spoiler_(std::move(spoiler)) {}
    void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate&, Team*) override {
      for (const SequenceTask& task : tasks) task.result->embedding = VectorOf(*task.sequence);
      if (spoiler_) spoiler_(tasks);
    }

   private:
    const Spoiler spoiler_;
  };

  const Spoiler spoiler_;
};

// Every character is a token.
class LetterModel final : public ServedModel {
 public:
  LetterModel(const std::string& name, const std::string& fingerprint) {
    info_.name = name;
    info_.fingerprint = fingerprint;
    info_.precision = "fp32";
    info_.dimension = 2;
    info_.num_layers = 1;
    info_.max_tokens = 128;
    info_.max_batch_tokens = 512;
    info_.pooling = {PoolingMode::kMean};
    info_.normalize = true;
  }

  const ModelInfo& info() const override { return info_; }
  std::variant<TokenizedItem, InputError> Tokenize(const Input& input, const TokenizeOptions&) const override {
    TokenizedItem item;
    for (const char c : std::get<TextInput>(input).text) item.sequence.input_ids.push_back(c);
    item.sequence.token_type_ids.resize(item.sequence.input_ids.size());
    return item;
  }
  absl::Status CheckAttentionSpec(const AttentionSpec&, int32_t) const override { return absl::OkStatus(); }
  std::variant<std::vector<InputWindow>, InputError> TokenizeWindows(const Input&, const TokenizeOptions&,
                                                                     const WindowLimits&) const override {
    return InputError{absl::InvalidArgumentError("no windows"), ""};
  }
  int32_t OutputDimension(const EmbedSpec&) const override { return 2; }
  bool RangesAreKnown() const override { return true; }
  absl::StatusOr<QuantizationRanges> Ranges(const EmbedSpec&) const override {
    return absl::InvalidArgumentError("no ranges");
  }
  std::string_view TokenText(int32_t) const override { return "x"; }
  bool IsSpecialToken(int32_t) const override { return false; }

 private:
  ModelInfo info_;
};

inline std::unique_ptr<LoadedModel> NewLetterModel(const ModelSpec& spec, const std::string& fingerprint,
                                                   Spoiler spoiler = {}) {
  auto model = std::make_unique<LoadedModel>();
  model->spec = spec;
  model->served = std::make_unique<LetterModel>(spec.name, fingerprint);
  model->runtime = std::make_unique<ModelRuntime>(std::make_unique<AngleRunner>(std::move(spoiler)), 1, 1, spec.quota);
  return model;
}

class FakeLoader final : public ModelLoader {
 public:
  static constexpr int64_t kBytes = 1000;

  absl::StatusOr<int64_t> EstimateBytes(const ModelSpec& spec) const override {
    return absl::EndsWith(spec.directory, "huge") ? int64_t{1} << 40 : kBytes;
  }

  absl::StatusOr<std::unique_ptr<LoadedModel>> Load(const ModelSpec& spec, int) const override {
    {
      std::unique_lock lock(mutex_);
      ++loads_;
      changed_.notify_all();
      EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [this] { return open_; }));
    }
    if (absl::EndsWith(spec.directory, "bad")) return absl::InvalidArgumentError("config.json: it is not JSON");
    if (absl::EndsWith(spec.directory, "throws")) throw std::bad_alloc();
    Spoiler spoiler;
    if (absl::EndsWith(spec.directory, "nan")) {
      spoiler = [](std::span<const SequenceTask> tasks) { tasks[0].result->embedding[0] = NAN; };
    }
    return NewLetterModel(spec, "print of " + spec.directory + spec.precision, spoiler);
  }

  void Close() { Set(false); }
  void Open() { Set(true); }
  void AwaitLoads(int count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [&] { return loads_ >= count; }));
  }
  int loads() const {
    const std::lock_guard lock(mutex_);
    return loads_;
  }

 private:
  void Set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable int loads_ = 0;
  bool open_ = true;
};

}  // namespace attendant::testing

#endif  // ATTENDANT_TESTS_SERVER_MODELS_FAKE_LOADER_H_
