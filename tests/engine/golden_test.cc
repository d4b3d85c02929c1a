// Promise 1 on the default model: 200 texts against sentence-transformers in fp32 (tests/parity/make_golden.py).
// Needs the model: ATTENDANT_TEST_MODEL_DIR, which scripts/test sets.
#include <gtest/gtest.h>

#include <cstdlib>

#include "engine/embedder.h"
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
    const char* directory = std::getenv("ATTENDANT_TEST_MODEL_DIR");
    ASSERT_NE(directory, nullptr)
        << "set ATTENDANT_TEST_MODEL_DIR to what scripts/get-model prints, or run scripts/test";
    embedder_ = Embedder::Load({.model_dir = directory, .load_threads = 2, .max_batch_tokens = 1024}).value();
    std::ifstream file(std::string(ATTENDANT_TESTDATA) + "/golden/texts.json");
    golden_ = nlohmann::json::parse(file);
    for (const auto& text : golden_["texts"]) {
      const std::string owned = text;
      items_.push_back(std::get<TokenizedItem>(embedder_->Tokenize(TextInput{owned}, {})));
    }
  }
  std::unique_ptr<Embedder> embedder_;
  nlohmann::json golden_;
  std::vector<TokenizedItem> items_;
};

TEST_F(Golden, TwoHundredTextsAgreeWithSentenceTransformers) {
  const std::vector<float> vectors = ReadGolden("vectors.f32");
  ASSERT_EQ(vectors.size(), 200u * 384u);
  const auto workspace = embedder_->NewWorkspace();
  const EmbedSpec spec{.normalize = embedder_->info().normalize};
  float worst = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    EXPECT_EQ(items_[i].sequence.num_tokens(), golden_["num_tokens"][i].get<int32_t>()) << i;
    SequenceResult result;
    const SequenceTask task{&items_[i].sequence, &spec, nullptr, &result};
    embedder_->Run({&task, 1}, *workspace, nullptr);
    const auto begin = vectors.begin() + static_cast<std::ptrdiff_t>(i * 384);
    worst = std::max(worst, MaxDifference(result.embedding, {begin, begin + 384}));
  }
  EXPECT_LE(worst, 1e-5f);
  RecordProperty("max_abs_difference", std::to_string(worst));
  std::printf("max abs difference over 200 texts: %.2e\n", static_cast<double>(worst));
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
