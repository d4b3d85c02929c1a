#include "engine/embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine/kernels/dispatch.h"
#include "engine/model/pooling.h"
#include "engine/model/workspace.h"
#include "tests/engine/model/model_fixture.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::unique_ptr<Embedder> Load(const std::string& name, const std::string& engine = "native",
                               const std::string& isa = "auto") {
  return Embedder::Load({.model_dir = ModelDir(name), .isa = isa, .engine = engine}).value();
}

std::vector<float> EmbedOne(const Embedder& embedder, const Input& input, const TokenizeOptions& options) {
  const auto item = std::get<TokenizedItem>(embedder.Tokenize(input, options));
  const EmbedSpec spec{.normalize = embedder.info().normalize};
  SequenceResult result;
  const SequenceTask task{&item.sequence, &spec, nullptr, &result};
  embedder.Run({&task, 1}, *embedder.NewWorkspace(), nullptr);
  EXPECT_TRUE(result.status.ok()) << result.status;
  return result.embedding;
}

TEST(Embedder, AgreesWithSentenceTransformersOnEveryModelAndEngine) {
  for (const std::string& name : ModelNames()) {
    const nlohmann::json expected = Expected(name);
    for (const char* engine : {"native", "reference"}) {
      const auto embedder = Load(name, engine);
      for (size_t i = 0; i < expected["texts"].size(); ++i) {
        const std::string text = expected["texts"][i];
        const std::vector<float> want = Flat(expected["embeddings"][i]);
        EXPECT_LT(MaxDifference(EmbedOne(*embedder, TextInput{text}, {.prompt_text = ""}), want), 2e-5f)
            << name << " " << engine << ": " << text;
      }
      for (const auto& [prompt, vectors] : expected["prompted"].items()) {
        for (size_t i = 0; i < vectors.size(); ++i) {
          const std::string text = expected["texts"][i];
          EXPECT_LT(MaxDifference(EmbedOne(*embedder, TextInput{text}, {.prompt_name = prompt}), Flat(vectors[i])),
                    2e-5f)
              << name << " " << engine << ", prompt " << prompt << ": " << text;
        }
      }
      for (const auto& pair : expected["pairs"]) {
        const std::string first = pair["first"], second = pair["second"];
        EXPECT_LT(MaxDifference(EmbedOne(*embedder, PairInput{first, second}, {}), Flat(pair["embedding"])), 2e-5f)
            << name;
      }
    }
  }
}

TEST(Embedder, AFileCutWhileItIsServedFailsItsOwnModelOnly) {
  Embedder::SurviveCutFiles();
  const testing::TempDir directory;
  std::filesystem::copy(ModelDir("tiny-mean"), directory.Path("model"), std::filesystem::copy_options::recursive);
  const auto cut = Embedder::Load({.model_dir = directory.Path("model")}).value(), whole = Load("tiny-mean");
  const std::vector<float> expected = EmbedOne(*whole, TextInput{"the old house"}, {});
  EXPECT_EQ(EmbedOne(*cut, TextInput{"the old house"}, {}), expected);
  EXPECT_TRUE(cut->Condition().ok());
  std::filesystem::resize_file(directory.Path("model/model.safetensors"), 0);
  const auto item = std::get<TokenizedItem>(cut->Tokenize(TextInput{"the old house"}, {}));
  const EmbedSpec spec;
  SequenceResult result;
  const SequenceTask task{&item.sequence, &spec, nullptr, &result};
  cut->Run({&task, 1}, *cut->NewWorkspace(), nullptr);
  EXPECT_TRUE(absl::IsInternal(result.status)) << result.status;
  EXPECT_TRUE(result.embedding.empty());
  EXPECT_THAT(std::string(cut->Condition().message()), HasSubstr("model.safetensors"));
  EXPECT_THAT(std::string(result.status.message()), Not(HasSubstr(directory.Path(""))));
  EXPECT_EQ(EmbedOne(*whole, TextInput{"the old house"}, {}), expected);
  signal(SIGBUS, SIG_DFL);
}

TEST(Embedder, SaysWhatTheModelIs) {
  const auto embedder = Load("dense-prompt");
  EXPECT_EQ(embedder->info().name, "dense-prompt");
  EXPECT_EQ(embedder->info().dimension, 10);
  EXPECT_EQ(embedder->info().hidden_size, 32);
  EXPECT_EQ(embedder->info().max_tokens, 64);
  EXPECT_EQ(embedder->info().default_prompt_name, "query");
  EXPECT_EQ(embedder->info().fingerprint.size(), 32u);
  EXPECT_EQ(Load("concatenated-f16")->info().dimension, 240);
}

TEST(Embedder, FingerprintsTellModelsApartAndAreStable) {
  EXPECT_EQ(Load("tiny-mean")->info().fingerprint, Load("tiny-mean", "native", "scalar")->info().fingerprint);
  EXPECT_NE(Load("tiny-mean")->info().fingerprint, Load("plain-hf")->info().fingerprint);
}

TEST(Embedder, TokensAndExplicitPoolingAndAttentionInOneRun) {
  const auto embedder = Load("dense-prompt");
  const std::string text = "The cat sits on the mat.";
  const auto item = std::get<TokenizedItem>(embedder->Tokenize(TextInput{text}, {.prompt_text = ""}));
  const EmbedSpec tokens{.output = OutputKind::kTokens};
  const EmbedSpec pooled{.pooling = {PoolingMode::kCls, PoolingMode::kMean}};
  const AttentionSpec attention{.layers = {1}, .heads = {0, 2}, .query_rows = {3, 5}};
  const AttentionSpec all;
  const AttentionSpec mean{.layers = {0}, .reduction = HeadReduction::kMean};
  const AttentionSpec max{.layers = {0}, .reduction = HeadReduction::kMax};
  SequenceResult results[4];
  const SequenceTask tasks[] = {{&item.sequence, &tokens, &attention, &results[0]},
                                {&item.sequence, &pooled, &all, &results[1]},
                                {&item.sequence, nullptr, &mean, &results[2]},
                                {&item.sequence, nullptr, &max, &results[3]}};
  embedder->Run(tasks, *embedder->NewWorkspace(), nullptr);
  const int32_t n = item.sequence.num_tokens();
  const auto expected = Expected("dense-prompt");
  EXPECT_LT(MaxDifference(results[0].embedding, Flat(expected["attention"]["hidden"])), 2e-5f);
  EXPECT_LT(MaxDifference(results[1].attention, Flat(expected["attention"]["maps"])), 1e-5f);
  ASSERT_EQ(results[1].embedding.size(), 64u) << "explicit pooling leaves the Dense layer out";
  EXPECT_TRUE(
      std::equal(results[1].embedding.begin(), results[1].embedding.begin() + 32, results[0].embedding.begin()));
  ASSERT_EQ(results[0].attention.size(), static_cast<size_t>(2 * 2 * n));
  const auto map = [&](int layer, int head, int row, int column) {
    return results[1].attention[static_cast<size_t>(((layer * 4 + head) * n + row) * n + column)];
  };
  EXPECT_EQ(results[0].attention[0], map(1, 0, 3, 0));
  EXPECT_EQ(results[0].attention[static_cast<size_t>(3 * n + 2)], map(1, 2, 5, 2));
  ASSERT_EQ(results[2].attention.size(), static_cast<size_t>(n * n));
  EXPECT_NEAR(results[2].attention[1], (map(0, 0, 0, 1) + map(0, 1, 0, 1) + map(0, 2, 0, 1) + map(0, 3, 0, 1)) / 4,
              1e-6);
  EXPECT_EQ(results[3].attention[1], std::max({map(0, 0, 0, 1), map(0, 1, 0, 1), map(0, 2, 0, 1), map(0, 3, 0, 1)}));
  EXPECT_TRUE(results[2].embedding.empty());
}

// Each is what a pass of its own makes, byte for byte, with others in the batch, on both engines.
TEST(Embedder, SeveralOutputsOfOnePassAreThoseOfSeveralPasses) {
  for (const char* engine : {"native", "reference"}) {
    for (const char* name : {"tiny-mean", "dense-prompt"}) {
      const auto embedder = Load(name, engine);
      const auto item = std::get<TokenizedItem>(embedder->Tokenize(TextInput{"The cat sits on the mat."}, {}));
      const auto other = std::get<TokenizedItem>(embedder->Tokenize(TextInput{"old water"}, {}));
      const EmbedSpec pooled{.normalize = true};
      const EmbedSpec additional[] = {{.output = OutputKind::kTokens},
                                      {.pooling = {PoolingMode::kMax}, .normalize = true, .dimensions = 5},
                                      {.normalize = true, .dimensions = 7}};
      const AttentionSpec attention{.layers = {0}};
      const auto workspace = embedder->NewWorkspace();
      SequenceResult together, neighbour;
      const SequenceTask tasks[] = {{&other.sequence, &pooled, nullptr, &neighbour},
                                    {&item.sequence, &pooled, &attention, &together, additional}};
      embedder->Run(tasks, *workspace, nullptr);
      ASSERT_TRUE(together.status.ok()) << together.status;
      const auto alone = [&](const EmbedSpec* spec, const AttentionSpec* maps) {
        SequenceResult result;
        const SequenceTask task{&item.sequence, spec, maps, &result};
        embedder->Run({&task, 1}, *workspace, nullptr);
        return result;
      };
      EXPECT_EQ(together.embedding, alone(&pooled, nullptr).embedding);
      EXPECT_EQ(together.attention, alone(nullptr, &attention).attention);
      ASSERT_EQ(together.additional.size(), std::size(additional));
      for (size_t i = 0; i < std::size(additional); ++i) {
        EXPECT_EQ(together.additional[i], alone(&additional[i], nullptr).embedding) << i;
        EXPECT_FALSE(together.additional[i].empty());
      }
      EXPECT_TRUE(neighbour.additional.empty());
    }
  }
}

TEST(Embedder, CutVectorsAgreeWithSentenceTransformers) {
  const auto embedder = Load("tiny-mean");
  const nlohmann::json expected = Expected("tiny-mean");
  const EmbedSpec cut{.normalize = true, .dimensions = 11};
  for (size_t i = 0; i < expected["texts"].size(); ++i) {
    const std::string text = expected["texts"][i];
    const auto item = std::get<TokenizedItem>(embedder->Tokenize(TextInput{text}, {.prompt_text = ""}));
    SequenceResult result;
    const SequenceTask task{&item.sequence, &cut, nullptr, &result};
    embedder->Run({&task, 1}, *embedder->NewWorkspace(), nullptr);
    std::vector<float> want = Flat(expected["embeddings"][i]);  // truncate_dim and normalize_embeddings do this:
    want.resize(11);
    NormalizeL2(want.data(), 11);
    EXPECT_LT(MaxDifference(result.embedding, want), 2e-5f) << text;
  }
}

// Late chunking: the mean over the tokens of a span, from both engines; through the Dense layer where the model has
// one.
TEST(Embedder, SpansAreMeansOverTheirTokens) {
  for (const char* engine : {"native", "reference"}) {
    const auto embedder = Load("tiny-mean", engine);
    const auto item = std::get<TokenizedItem>(embedder->Tokenize(TextInput{"The cat sits on the mat."}, {}));
    const EmbedSpec tokens{.output = OutputKind::kTokens};
    const EmbedSpec additional[] = {
        {.output = OutputKind::kSpans, .spans = {{1, 4}, {5, 6}}},
        {.output = OutputKind::kSpans, .normalize = true, .dimensions = 5, .spans = {{2, 7}}}};
    SequenceResult result;
    const SequenceTask task{&item.sequence, &tokens, nullptr, &result, additional};
    embedder->Run({&task, 1}, *embedder->NewWorkspace(), nullptr);
    ASSERT_TRUE(result.status.ok()) << result.status;
    const auto mean = [&](size_t begin, size_t end, size_t dimension) {
      std::vector<float> sum(dimension);
      for (size_t token = begin; token < end; ++token) {
        for (size_t i = 0; i < dimension; ++i) sum[i] += result.embedding[token * 32 + i];
      }
      for (float& value : sum) value /= static_cast<float>(end - begin);
      return sum;
    };
    std::vector<float> expected = mean(1, 4, 32);
    const std::vector<float> second = mean(5, 6, 32);
    expected.insert(expected.end(), second.begin(), second.end());
    EXPECT_LT(MaxDifference(result.additional[0], expected), 1e-6f) << engine;
    expected = mean(2, 7, 5);
    NormalizeL2(expected.data(), 5);
    EXPECT_LT(MaxDifference(result.additional[1], expected), 1e-6f) << engine;
  }
}

TEST(Embedder, ASpanOfAllTokensIsThePooledVectorAlsoBehindADenseLayer) {
  for (const char* name : {"tiny-mean", "dense-prompt"}) {
    const auto embedder = Load(name);
    const auto item = std::get<TokenizedItem>(embedder->Tokenize(TextInput{"a red house"}, {.prompt_text = ""}));
    const EmbedSpec pooled;
    const EmbedSpec span[] = {{.output = OutputKind::kSpans, .spans = {{0, item.sequence.num_tokens()}}}};
    SequenceResult result;
    const SequenceTask task{&item.sequence, &pooled, nullptr, &result, span};
    embedder->Run({&task, 1}, *embedder->NewWorkspace(), nullptr);
    EXPECT_EQ(embedder->OutputDimension(span[0]), embedder->info().dimension);
    if (embedder->info().pooling == std::vector<PoolingMode>{PoolingMode::kMean}) {
      EXPECT_EQ(result.additional[0], result.embedding) << name;
    }
    EXPECT_EQ(result.additional[0].size(), result.embedding.size());
  }
}

TEST(Embedder, DimensionsCutThenNormalise) {
  const auto embedder = Load("tiny-mean");
  const auto item = std::get<TokenizedItem>(embedder->Tokenize(TextInput{"a red house"}, {}));
  const EmbedSpec whole, cut{.dimensions = 6}, unit{.normalize = true, .dimensions = 6};
  SequenceResult results[3];
  const SequenceTask tasks[] = {{&item.sequence, &whole, nullptr, &results[0]},
                                {&item.sequence, &cut, nullptr, &results[1]},
                                {&item.sequence, &unit, nullptr, &results[2]}};
  embedder->Run(tasks, *embedder->NewWorkspace(), nullptr);
  EXPECT_EQ(embedder->OutputDimension(unit), 6);
  std::vector<float> expected(results[0].embedding.begin(), results[0].embedding.begin() + 6);
  EXPECT_EQ(results[1].embedding, expected);
  NormalizeL2(expected.data(), 6);
  EXPECT_EQ(results[2].embedding, expected);
}

TEST(Embedder, RangesAreTheModelsAndFitHowVectorsAreShaped) {
  const auto embedder = Load("tiny-mean");
  const EmbedSpec whole, unit{.normalize = true}, cut{.normalize = true, .dimensions = 6};
  const auto ranges = embedder->Ranges(whole);
  ASSERT_TRUE(ranges.ok()) << ranges.status();
  ASSERT_EQ(ranges->minimum.size(), 32u);
  for (size_t i = 0; i < 32; ++i) EXPECT_LT(ranges->minimum[i], ranges->maximum[i]);
  EXPECT_EQ(Embedder::Load({.model_dir = ModelDir("tiny-mean"), .load_threads = 3}).value()->Ranges(whole)->maximum,
            ranges->maximum)
      << "the same whatever loads it";
  EXPECT_EQ(embedder->Ranges(cut)->minimum.size(), 6u);
  const auto of_unit = embedder->Ranges(unit);
  ASSERT_TRUE(of_unit.ok());
  for (const float value : of_unit->maximum) EXPECT_LE(value, 1.0f);
  EXPECT_FALSE(embedder->Ranges({.output = OutputKind::kTokens}).ok());
  EXPECT_FALSE(embedder->Ranges({.pooling = {PoolingMode::kCls}}).ok());
}

TEST(Embedder, AttentionSpecsAreChecked) {
  const auto embedder = Load("tiny-mean");
  EXPECT_TRUE(embedder->CheckAttentionSpec({.layers = {0, 1}, .heads = {3}, .query_rows = {0, 4}}, 5).ok());
  EXPECT_THAT(std::string(embedder->CheckAttentionSpec({.layers = {2}}, 5).message()),
              HasSubstr("layers[0]: 2 is not in 0 to 1"));
  EXPECT_THAT(std::string(embedder->CheckAttentionSpec({.heads = {1, 1}}, 5).message()), HasSubstr("heads[1]"));
  EXPECT_THAT(std::string(embedder->CheckAttentionSpec({.query_rows = {-1}}, 5).message()), HasSubstr("query_rows[0]"));
}

// A copy of a model whose embedding of one id is not a number.
std::string PoisonedModel(int32_t id) {
  const std::string directory = ::testing::TempDir() + "/poisoned-model";
  std::filesystem::remove_all(directory);
  std::filesystem::copy(ModelDir("tiny-mean"), directory, std::filesystem::copy_options::recursive);
  const auto file = SafetensorsFile::Open(directory + "/model.safetensors").value();
  const TensorView* word = file->Find("embeddings.word_embeddings.weight");
  const auto at = reinterpret_cast<const char*>(word->data) - file->bytes().data() + id * 32 * 4;
  std::fstream out(directory + "/model.safetensors", std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(at);
  const float nan = NAN;
  out.write(reinterpret_cast<const char*>(&nan), 4);
  return directory;
}

TEST(Embedder, ValuesThatAreNotFiniteFailTheirItemOnly) {
  const auto poisoned = Embedder::Load({.model_dir = PoisonedModel(20)}).value();
  const auto healthy = Load("tiny-mean");
  const TokenSequence good{{2, 21, 3}, {0, 0, 0}}, bad{{2, 20, 3}, {0, 0, 0}};
  const EmbedSpec spec{.normalize = true};
  SequenceResult results[3], alone;
  const SequenceTask tasks[] = {
      {&good, &spec, nullptr, &results[0]}, {&bad, &spec, nullptr, &results[1]}, {&good, &spec, nullptr, &results[2]}};
  poisoned->Run(tasks, *poisoned->NewWorkspace(), nullptr);
  const SequenceTask task{&good, &spec, nullptr, &alone};
  healthy->Run({&task, 1}, *healthy->NewWorkspace(), nullptr);
  EXPECT_EQ(results[1].status.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(results[1].embedding.empty());
  EXPECT_EQ(results[0].embedding, alone.embedding);
  EXPECT_EQ(results[2].embedding, alone.embedding);
}

TEST(Embedder, AbandonedTasksAreMarkedAndTheRestIsUnchanged) {
  for (const char* engine : {"native", "reference"}) {
    const auto embedder = Load("tiny-mean", engine);
    const TokenSequence a{{2, 21, 3}, {0, 0, 0}}, b{{2, 30, 31, 3}, {0, 0, 0, 0}};
    const EmbedSpec spec;
    SequenceResult kept, dropped, alone;
    const SequenceTask tasks[] = {{&a, &spec, nullptr, &dropped}, {&b, &spec, nullptr, &kept}};
    embedder->Run(tasks, *embedder->NewWorkspace(), [](size_t task) { return task == 0; });
    const SequenceTask task{&b, &spec, nullptr, &alone};
    embedder->Run({&task, 1}, *embedder->NewWorkspace(), nullptr);
    EXPECT_TRUE(dropped.abandoned);
    EXPECT_FALSE(kept.abandoned);
    EXPECT_EQ(kept.embedding, alone.embedding);
  }
}

TEST(Embedder, RefusesWhatItCannotServe) {
  const auto error = [](const EmbedderOptions& options) { return Embedder::Load(options).status(); };
  EXPECT_EQ(error({.model_dir = "/nonexistent"}).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(error({.model_dir = ModelDir("tiny-mean"), .isa = "mmx"}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error({.model_dir = ModelDir("tiny-mean"), .engine = "warp"}).code(), absl::StatusCode::kInvalidArgument);
  const absl::Status precision = error({.model_dir = ModelDir("tiny-mean"), .precision = "fp4"});
  EXPECT_EQ(precision.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(precision.message()), HasSubstr("unknown precision \"fp4\": use fp32, bf16, int8 or auto"));
  const absl::Status gate = error({.model_dir = ModelDir("tiny-mean"), .precision_gate = "maybe"});
  EXPECT_EQ(gate.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(gate.message()), HasSubstr("unknown precision_gate \"maybe\": use on or off"));
  const std::string directory = ::testing::TempDir() + "/no-weights";
  std::filesystem::remove_all(directory);
  std::filesystem::copy(ModelDir("tiny-mean"), directory, std::filesystem::copy_options::recursive);
  std::filesystem::remove(directory + "/model.safetensors");
  EXPECT_THAT(std::string(error({.model_dir = directory}).message()), HasSubstr("model.safetensors"));
}

TEST(Embedder, ManyThreadsShareOneEmbedder) {
  const auto embedder = Load("tiny-mean");
  const std::vector<float> expected = EmbedOne(*embedder, TextInput{"what is water"}, {});
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) wrong[t] += EmbedOne(*embedder, TextInput{"what is water"}, {}) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(EstimateBytes, IsNearWhatLoadingTakesAndKnowsPrecisionAndWorkers) {
  const auto estimate = [](const std::string& name, const char* precision, int workers) {
    const auto bytes = Embedder::EstimateBytes({.model_dir = ModelDir(name), .precision = precision}, workers);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.value_or(0);
  };
  constexpr int64_t kFixed = 4 << 20;  // as in memory_estimate.cc; the tiny models are below it
  for (const std::string& name : ModelNames()) {
    const int64_t fp32 = estimate(name, "fp32", 1);
    EXPECT_EQ(estimate(name, "auto", 1) > fp32, true) << name;  // the gate's fp32 layer beside it
    EXPECT_GT(estimate(name, "fp32", 2), fp32) << name;
    const auto embedder = Embedder::Load({.model_dir = ModelDir(name)});
    ASSERT_TRUE(embedder.ok());
    const int64_t weights = (*embedder)->info().weights_bytes;
    EXPECT_GT(fp32 - kFixed, weights / 2) << name;
    EXPECT_LT(fp32 - kFixed, weights + (8 << 20)) << name;
  }
  EXPECT_LT(estimate("wide-heads-bf16", "int8", 1), estimate("wide-heads-bf16", "auto", 1));
}

TEST(EstimateBytes, WhatIsNoModelIsAnError) {
  EXPECT_TRUE(absl::IsNotFound(Embedder::EstimateBytes({.model_dir = "/nonexistent"}, 1).status()));
  EXPECT_FALSE(Embedder::EstimateBytes({.model_dir = ATTENDANT_TESTDATA}, 1).ok());
}

}  // namespace
}  // namespace attendant
