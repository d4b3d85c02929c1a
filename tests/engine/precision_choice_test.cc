#include "engine/precision_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "engine/embedder.h"
#include "engine/kernels/dispatch.h"
#include "engine/model/model_config.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

using testing::HasSubstr;
using testing::Not;

// A model directory's parts as the gate wants them, with random texts.
class GateFixture {
 public:
  explicit GateFixture(const std::string& name, int num_texts)
      : config_(ReadModelConfig(ModelDir(name)).value()),
        file_(SafetensorsFile::Open(ModelDir(name) + "/model.safetensors").value()),
        context_{config_, *kernels::ChooseKernels("auto")->table},
        weights_(LoadWeights(*file_, config_, {}, 1).value()) {
    for (int i = 0; i < num_texts; ++i) {
      TokenSequence text;
      for (int token = 0; token < 3 + i % 20; ++token)
        text.input_ids.push_back((7 * i + 13 * token) % config_.vocab_size);
      text.token_type_ids.assign(text.input_ids.size(), 0);
      texts_.push_back(std::move(text));
    }
  }

  GateInput Input() {
    return {*file_,
            context_,
            *weights_,
            texts_,
            [](const HiddenRows& rows, const TokenSequence&) {
              std::vector<float> vector(static_cast<size_t>(rows.width));
              constexpr PoolingMode kMean[] = {PoolingMode::kMean};
              Pool(rows, kMean, 0, vector.data());
              return vector;
            },
            2};
  }
  int32_t num_layers() const { return config_.num_hidden_layers; }

 private:
  const ModelConfig config_;
  const std::unique_ptr<SafetensorsFile> file_;
  const EncoderContext context_;
  const std::unique_ptr<Weights> weights_;
  std::vector<TokenSequence> texts_;
};

TEST(PrecisionGate, LoadsEveryLayerAndMeasures) {
  GateFixture fixture("tiny-mean", 30);
  const auto result = LoadThroughGate(fixture.Input(), Precision::kBf16);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(static_cast<int32_t>(result->layers.size()), fixture.num_layers());
  EXPECT_EQ(result->num_texts, 30);
  EXPECT_LT(result->drift.worst_cosine, 1.0) << "nothing was measured";
  EXPECT_GT(result->drift.worst_cosine, 0.99);
  for (const LayerWeights& layer : result->layers) EXPECT_NE(layer.query_key_value.panels, nullptr);
}

TEST(PrecisionGate, DoesNotDependOnTheNumberOfThreads) {
  GateFixture fixture("tiny-mean", 40);
  GateInput one = fixture.Input();
  one.num_threads = 1;
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    const auto alone = LoadThroughGate(one, precision);
    const auto shared = LoadThroughGate(fixture.Input(), precision);
    EXPECT_EQ(alone->drift.worst_cosine, shared->drift.worst_cosine);
    EXPECT_EQ(alone->drift.spearman, shared->drift.spearman);
    EXPECT_EQ(DescribeLayers(precision, alone->layers), DescribeLayers(precision, shared->layers));
  }
}

// The order of similarities is made to hang on the last bits: no precision but fp32 itself keeps it.
TEST(PrecisionGate, WidensLayersUntilTheDriftIsGone) {
  GateFixture fixture("tiny-mean", 30);
  GateInput input = fixture.Input();
  input.pool = [pool = input.pool](const HiddenRows& rows, const TokenSequence& text) {
    std::vector<float> vector = pool(rows, text);
    for (float& x : vector) x = std::fmod(std::fabs(x) * 4096.0f, 1.0f) - 0.5f;
    return vector;
  };
  const auto result = LoadThroughGate(input, Precision::kInt8);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->passed);
  EXPECT_EQ(result->drift.worst_cosine, 1.0);
  for (const LayerWeights& layer : result->layers) EXPECT_EQ(layer.precision, Precision::kFp32);
  EXPECT_THAT(DescribeLayers(Precision::kInt8, result->layers), HasSubstr("in fp32"));
}

TEST(PrecisionGate, TooFewTextsProveNothing) {
  GateFixture fixture("tiny-mean", 2);
  const auto result = LoadThroughGate(fixture.Input(), Precision::kInt8);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->passed);
  EXPECT_EQ(static_cast<int32_t>(result->layers.size()), fixture.num_layers());
}

TEST(PrecisionChoice, NamesAreParsed) {
  EXPECT_EQ(**ParsePrecision("fp32"), Precision::kFp32);
  EXPECT_EQ(**ParsePrecision("bf16"), Precision::kBf16);
  EXPECT_EQ(**ParsePrecision("int8"), Precision::kInt8);
  EXPECT_FALSE(ParsePrecision("auto")->has_value());
  for (const char* name : {"", "FP32", "fp16", "int4"}) {
    EXPECT_EQ(ParsePrecision(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(PrecisionChoice, WithoutAGateNothingIsMeasured) {
  GateFixture fixture("tiny-mean", 0);
  const auto int8 = ChooseLayers(fixture.Input(), Precision::kInt8, GateMode::kOff);
  EXPECT_EQ(int8->precision, Precision::kInt8);
  EXPECT_EQ(int8->reason, "not gated");
  EXPECT_EQ(ChooseLayers(fixture.Input(), std::nullopt, GateMode::kOff)->precision, Precision::kFp32);
}

TEST(PrecisionChoice, AutoFallsBackToFp32) {
  GateFixture fixture("tiny-mean", 2);
  const auto chosen = ChooseLayers(fixture.Input(), std::nullopt, GateMode::kOn);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->precision, Precision::kFp32);
  EXPECT_THAT(chosen->reason, HasSubstr("fp32: chosen"));
  EXPECT_THAT(chosen->reason, HasSubstr("Gop/s"));
}

TEST(PrecisionChoice, WhatWasAskedForIsUsedAndTheReasonSaysIfItFailed) {
  GateFixture fixture("tiny-mean", 2);
  const auto chosen = ChooseLayers(fixture.Input(), Precision::kInt8, GateMode::kOn);
  EXPECT_EQ(chosen->precision, Precision::kInt8);
  EXPECT_THAT(chosen->reason, HasSubstr("NOT PASSED"));
}

TEST(PrecisionChoice, TheEmbedderReportsPrecisionReasonAndAFingerprintOfItsOwn) {
  std::set<std::string> fingerprints;
  for (const char* precision : {"fp32", "bf16", "int8"}) {
    const auto embedder = Embedder::Load({.model_dir = ModelDir("tiny-mean"), .precision = precision});
    ASSERT_TRUE(embedder.ok()) << embedder.status();
    EXPECT_EQ((*embedder)->info().precision, precision);
    EXPECT_THAT((*embedder)->info().precision_reason, Not(testing::IsEmpty()));
    fingerprints.insert((*embedder)->info().fingerprint);
  }
  EXPECT_EQ(fingerprints.size(), 3u);
  const auto chosen = Embedder::Load({.model_dir = ModelDir("tiny-mean"), .precision = "auto"});
  EXPECT_TRUE(fingerprints.contains((*chosen)->info().fingerprint) ||
              (*chosen)->info().precision_reason.find("layers") != std::string::npos);
}

TEST(PrecisionChoice, WrongNamesAreErrors) {
  const auto precision = Embedder::Load({.model_dir = ModelDir("tiny-mean"), .precision = "fp4"});
  EXPECT_EQ(precision.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(precision.status().message()), HasSubstr("use fp32, bf16, int8 or auto"));
  const auto gate = Embedder::Load({.model_dir = ModelDir("tiny-mean"), .precision_gate = "maybe"});
  EXPECT_EQ(gate.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(gate.status().message()), HasSubstr("use on or off"));
}

}  // namespace
}  // namespace attendant
