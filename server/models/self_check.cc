#include "server/models/self_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/models/golden.h"

namespace attendant {
namespace {

// Of different lengths, so that a batch of them has borders everywhere; in words that any vocabulary has pieces for.
constexpr const char* kTexts[] = {
    "a",
    "The cat sleeps on the warm windowsill.",
    "Quarterly profits rose by nine percent, which nobody had expected of a company of this size in such a year.",
    "1 2 3",
};
// Lengths are computed from float vectors of up to some thousand elements.
constexpr double kLengthTolerance = 1e-3;

using Vectors = std::vector<std::vector<float>>;

const char* Name(PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kCls:
      return "cls";
    case PoolingMode::kMax:
      return "max";
    case PoolingMode::kMean:
      return "mean";
    case PoolingMode::kMeanSqrtLen:
      return "mean_sqrt_len";
    case PoolingMode::kWeightedMean:
      return "weighted_mean";
    case PoolingMode::kLastToken:
      return "last_token";
  }
  return "unknown";
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  // Two vectors of zeros are the same.
  if (aa == 0 && bb == 0) return 1;
  return dot / std::sqrt(aa * bb);
}

class Checker {
 public:
  explicit Checker(const LoadedModel& model)
      : model_(model), info_(model.info()), session_(model.runtime->NewSession()) {
    spec_.normalize = info_.normalize;
  }

  SelfCheckReport Run() {
    if (CheckForward()) CheckGolden();
    return std::move(report_);
  }

 private:
  bool Add(const std::string& check, bool passed, const std::string& detail) {
    report_.rows.push_back({check, passed, detail});
    return passed;
  }

  absl::StatusOr<TokenSequence> Tokenize(const std::string& text) const {
    auto tokenized = model_.served->Tokenize(TextInput{text}, {});
    if (const auto* error = std::get_if<InputError>(&tokenized)) return error->status;
    return std::get<TokenizedItem>(std::move(tokenized)).sequence;
  }

  // As one batch; the first error of an item ends it.
  absl::Status Embed(const std::vector<TokenSequence>& sequences, Vectors* vectors) {
    std::vector<SequenceResult> results(sequences.size());
    std::vector<SequenceTask> tasks;
    for (size_t i = 0; i < sequences.size(); ++i) {
      tasks.push_back({.sequence = &sequences[i], .embed = &spec_, .attention = nullptr, .result = &results[i]});
    }
    session_->Run(tasks, {}, nullptr);
    for (SequenceResult& result : results) {
      if (!result.status.ok()) return result.status;
      vectors->push_back(std::move(result.embedding));
    }
    return absl::OkStatus();
  }

  bool CheckForward() {
    std::vector<TokenSequence> sequences;
    int32_t tokens = 0;
    for (const char* text : kTexts) {
      auto sequence = Tokenize(text);
      // A model may have no words for a text, or be made for very short ones.
      if (!sequence.ok() || tokens + sequence->num_tokens() > std::max(info_.max_batch_tokens, info_.max_tokens)) {
        continue;
      }
      tokens += sequence->num_tokens();
      sequences.push_back(*std::move(sequence));
    }
    if (sequences.empty()) return Add("forward", false, "the tokenizer has no tokens for any of the check's texts");
    Vectors together;
    if (absl::Status status = Embed(sequences, &together); !status.ok()) {
      return Add("forward", false, std::string(status.message()));
    }
    return CheckFinite(together) && CheckLengths(together) && CheckInvariance(sequences, together);
  }

  bool CheckFinite(const Vectors& vectors) {
    for (const std::vector<float>& vector : vectors) {
      if (static_cast<int64_t>(vector.size()) != info_.dimension) {
        return Add("finite", false, absl::StrCat("a vector has ", vector.size(), " values, not ", info_.dimension));
      }
      if (!std::all_of(vector.begin(), vector.end(), [](float value) { return std::isfinite(value); })) {
        return Add("finite", false, "a vector has values that are not finite");
      }
    }
    return Add("finite", true, absl::StrCat(vectors.size(), " vectors of ", info_.dimension, " values"));
  }

  bool CheckLengths(const Vectors& vectors) {
    if (!info_.normalize) return true;
    double worst = 0;
    for (const std::vector<float>& vector : vectors) {
      double sum = 0;
      for (const float value : vector) sum += static_cast<double>(value) * value;
      worst = std::max(worst, std::abs(std::sqrt(sum) - 1));
    }
    return Add("normalised", worst <= kLengthTolerance, absl::StrFormat("lengths differ from 1 by up to %.1e", worst));
  }

  bool CheckInvariance(const std::vector<TokenSequence>& sequences, const Vectors& together) {
    for (size_t i = 0; i < sequences.size(); ++i) {
      Vectors alone;
      absl::Status status = Embed({sequences[i]}, &alone);
      if (!status.ok()) return Add("batch-invariant", false, std::string(status.message()));
      const bool same = alone[0].size() == together[i].size() &&
                        std::memcmp(alone[0].data(), together[i].data(), alone[0].size() * sizeof(float)) == 0;
      if (!same) return Add("batch-invariant", false, "a text has another vector alone than in a batch");
    }
    return Add("batch-invariant", true, "the same bytes alone and in a batch");
  }

  void CheckGolden() {
    auto golden = ReadGolden(model_.spec.directory);
    if (!golden.ok()) {
      Add("golden vectors", false, std::string(golden.status().message()));
    } else if (golden->has_value() && CheckFacts(**golden)) {
      CheckVectors(**golden);
    }
  }

  bool CheckFacts(const Golden& golden) {
    std::vector<std::string> pooling;
    for (const PoolingMode mode : info_.pooling) pooling.push_back(Name(mode));
    std::string differing;
    const auto differs = [&differing](bool yes, const char* what) {
      if (yes) absl::StrAppend(&differing, differing.empty() ? "" : ", ", what);
    };
    differs(golden.dimension != info_.dimension, "dimension");
    differs(golden.normalize != info_.normalize, "normalize");
    differs(golden.pooling != pooling, "pooling");
    differs(golden.max_tokens != info_.max_tokens, "max_tokens");
    if (differing.empty()) return true;
    return Add("golden facts", false, absl::StrCat(differing, " of ", kGoldenFile, " are not those of the model"));
  }

  void CheckVectors(const Golden& golden) {
    const double limit = golden.MinCosine(info_.precision);
    double worst = 1;
    size_t worst_item = 0;
    for (size_t i = 0; i < golden.items.size(); ++i) {
      auto sequence = Tokenize(golden.items[i].text);
      Vectors vectors;
      absl::Status status = sequence.ok() ? Embed({*std::move(sequence)}, &vectors) : sequence.status();
      if (!status.ok()) {
        Add("golden vectors", false, absl::StrCat("items[", i, "]: ", status.message()));
        return;
      }
      const double cosine = Cosine(vectors[0], golden.items[i].vector);
      // Not "cosine < worst": a NaN must not pass.
      if (!(cosine >= worst)) {
        worst = cosine;
        worst_item = i;
      }
    }
    const std::string made_by =
        golden.fingerprint == info_.fingerprint ? "the same fingerprint" : absl::StrCat("made in ", golden.precision);
    Add("golden vectors", worst >= limit,
        absl::StrFormat("%d texts, worst cosine %.6f (items[%d]; at least %.5f in %s), %s", golden.items.size(), worst,
                        worst_item, limit, info_.precision, made_by));
  }

  const LoadedModel& model_;
  const ModelInfo& info_;
  const std::unique_ptr<BatchRunner::Session> session_;
  EmbedSpec spec_;
  SelfCheckReport report_;
};

}  // namespace

absl::Status SelfCheckReport::status() const {
  for (const SelfCheckRow& row : rows) {
    if (row.passed) continue;
    return absl::FailedPreconditionError(absl::StrCat("the self-check failed: ", row.check, ": ", row.detail));
  }
  return absl::OkStatus();
}

std::string SelfCheckReport::Summary() const {
  std::string summary;
  for (const SelfCheckRow& row : rows) {
    absl::StrAppend(&summary, summary.empty() ? "" : "; ", row.check, row.passed ? ": " : " FAILED: ", row.detail);
  }
  return summary;
}

std::string SelfCheckReport::Table() const {
  std::string table;
  for (const SelfCheckRow& row : rows) {
    absl::StrAppendFormat(&table, "  %-16s %-6s %s\n", row.check, row.passed ? "ok" : "FAILED", row.detail);
  }
  return table;
}

SelfCheckReport SelfCheck(const LoadedModel& model) { return Checker(model).Run(); }

absl::Status ProbeModel(const LoadedModel& model) {
  TokenSequence sequence;
  sequence.input_ids = {0};
  sequence.token_type_ids = {0};
  const EmbedSpec spec;
  SequenceResult result;
  const SequenceTask task{.sequence = &sequence, .embed = &spec, .attention = nullptr, .result = &result};
  model.runtime->NewSession()->Run({&task, 1}, {}, nullptr);
  if (!result.status.ok()) return result.status;
  return result.embedding.empty() ? absl::InternalError("the forward pass gave no vector") : absl::OkStatus();
}

}  // namespace attendant
