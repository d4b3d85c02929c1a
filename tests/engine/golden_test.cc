// Promise 1 on the default model: 200 texts against sentence-transformers in fp32 (tests/parity/make_golden.py).
// Needs the model: ATTENDANT_TEST_MODEL_DIR, which scripts/test sets.
#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/drift.h"
#include "engine/embedder.h"
#include "engine/kernels/dispatch.h"
#include "engine/model/workspace.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

std::vector<float> ReadGolden(const std::string& name) {
  std::ifstream file(std::string(ATTENDANT_TESTDATA) + "/golden/" + name, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

class Golden : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(std::getenv("ATTENDANT_TEST_MODEL_DIR"), nullptr)
        << "set ATTENDANT_TEST_MODEL_DIR to what scripts/get-model prints, or run scripts/test";
    embedder_ = LoadModel("fp32", "auto");
    std::ifstream file(std::string(ATTENDANT_TESTDATA) + "/golden/texts.json");
    golden_ = nlohmann::json::parse(file);
    for (const auto& text : golden_["texts"]) {
      const std::string owned = text;
      items_.push_back(std::get<TokenizedItem>(embedder_->Tokenize(TextInput{owned}, {})));
    }
  }

  static std::unique_ptr<Embedder> LoadModel(const char* precision, const char* isa) {
    return Embedder::Load({.model_dir = std::getenv("ATTENDANT_TEST_MODEL_DIR"),
                           .precision = precision,
                           .isa = isa,
                           .load_threads = 2,
                           .max_batch_tokens = 1024})
        .value();
  }

  std::vector<std::vector<float>> EmbedAll(const Embedder& embedder) const {
    const auto workspace = embedder.NewWorkspace();
    const EmbedSpec spec{.normalize = embedder.info().normalize};
    std::vector<std::vector<float>> vectors;
    for (const TokenizedItem& item : items_) {
      SequenceResult result;
      const SequenceTask task{&item.sequence, &spec, nullptr, &result};
      embedder.Run({&task, 1}, *workspace, nullptr);
      vectors.push_back(std::move(result.embedding));
    }
    return vectors;
  }

  std::unique_ptr<Embedder> embedder_;
  nlohmann::json golden_;
  std::vector<TokenizedItem> items_;
};

TEST_F(Golden, TwoHundredTextsAgreeWithSentenceTransformers) {
  const std::vector<float> vectors = ReadGolden("vectors.f32");
  ASSERT_EQ(vectors.size(), 200u * 384u);
  const std::vector<std::vector<float>> found = EmbedAll(*embedder_);
  float worst = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    EXPECT_EQ(items_[i].sequence.num_tokens(), golden_["num_tokens"][i].get<int32_t>()) << i;
    const auto begin = vectors.begin() + static_cast<std::ptrdiff_t>(i * 384);
    worst = std::max(worst, MaxDifference(found[i], {begin, begin + 384}));
  }
  EXPECT_LE(worst, 1e-5f);
  RecordProperty("max_abs_difference", std::to_string(worst));
  std::printf("max abs difference over 200 texts: %.2e\n", static_cast<double>(worst));
}

// Texts that the gate does not know, against what it promises of them.
TEST_F(Golden, LowerPrecisionsDriftNoFurtherThanTheirLimits) {
  const std::vector<float> vectors = ReadGolden("vectors.f32");
  std::vector<std::vector<float>> reference;
  for (auto at = vectors.begin(); at != vectors.end(); at += 384) reference.emplace_back(at, at + 384);
  for (const auto& [precision, name] : {std::pair(Precision::kBf16, "bf16"), std::pair(Precision::kInt8, "int8")}) {
    // The kernels' and the model's own tests compare the other instruction sets with these.
    const auto tables = kernels::AvailableKernels();
    for (size_t i = 0; i < std::min<size_t>(precision == Precision::kBf16 ? 2 : 1, tables.size()); ++i) {
      const kernels::KernelTable* table = tables[i];
      const Drift drift = MeasureDrift(reference, EmbedAll(*LoadModel(name, table->name)));
      EXPECT_TRUE(Passes(drift, precision)) << name << " " << table->name;
      std::printf("%s %s: worst cosine %.5f, Spearman %.5f\n", name, table->name, drift.worst_cosine, drift.spearman);
    }
  }
}

TEST_F(Golden, AttentionMapsAgreeWithTransformers) {
  const std::vector<float> maps = ReadGolden("attention.f32");
  const auto workspace = embedder_->NewWorkspace();
  const AttentionSpec all;
  auto at = maps.begin();
  for (const auto& entry : golden_["attention"]) {
    SequenceResult result;
    const SequenceTask task{&items_[entry["text"].get<size_t>()].sequence, nullptr, &all, &result};
    embedder_->Run({&task, 1}, *workspace, nullptr);
    ASSERT_LE(result.attention.size(), static_cast<size_t>(maps.end() - at));
    const auto end = at + static_cast<std::ptrdiff_t>(result.attention.size());
    EXPECT_LE(MaxDifference(result.attention, {at, end}), 1e-5f);
    at = end;
    const size_t n = entry["shape"].back();
    for (size_t row = 0; row < result.attention.size(); row += n) {
      double sum = 0;
      for (size_t i = 0; i < n; ++i) sum += result.attention[row + i];
      ASSERT_NEAR(sum, 1.0, 1e-5);
    }
  }
  EXPECT_EQ(at, maps.end());
}

}  // namespace
}  // namespace attendant
