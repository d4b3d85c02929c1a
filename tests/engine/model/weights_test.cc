#include "engine/model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/model/tensor_source.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

using testing::HasSubstr;

TEST(Weights, PackingIsTheSameWithAnyNumberOfThreads) {
  const auto expect_same = [](const Buffer& a, const Buffer& b) {
    ASSERT_EQ(a.bytes(), b.bytes());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())), 0);
  };
  for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
    const ModelFixture one("odd-heads-cls", 1, precision), five("odd-heads-cls", 5, precision);
    expect_same(one.weights->storage, five.weights->storage);
    ASSERT_EQ(one.weights->layers.size(), five.weights->layers.size());
    for (size_t i = 0; i < one.weights->layers.size(); ++i) {
      expect_same(one.weights->layers[i].storage, five.weights->layers[i].storage);
    }
  }
}

TEST(Weights, AWrongShapeNamesFileTensorExpectedAndFound) {
  ModelFixture model("tiny-mean");
  model.config.intermediate_size = 65;
  const absl::Status status = model.LoadAllLayers(Precision::kFp32, 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tiny-mean/model.safetensors"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("encoder.layer.0.intermediate.dense.weight"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected F32, F16 or BF16 [65, 32], found F32 [64, 32]"));
}

TEST(Weights, AMissingTensorIsNamed) {
  ModelFixture model("tiny-mean");
  model.config.num_hidden_layers = 3;
  EXPECT_THAT(std::string(model.LoadAllLayers(Precision::kFp32, 1).status().message()),
              HasSubstr("\"encoder.layer.2.attention.self.query.weight\" is missing"));
}

TEST(Weights, AFileOfAnotherModelIsRefused) {
  ModelFixture model("dense-prompt");
  const auto dense = SafetensorsFile::Open(ModelDir("dense-prompt") + "/2_Dense/model.safetensors").value();
  EXPECT_THAT(std::string(LoadWeights(*dense, model.config, {}, 1).status().message()),
              HasSubstr("no tensor \"embeddings.word_embeddings.weight\""));
}

TEST(ReadFloats, ConvertsHalvesExactly) {
  const uint16_t f16[] = {0x0000, 0x8000, 0x3C00, 0xC000, 0x7BFF, 0x0001, 0x03FF, 0x7C00, 0x3555};
  const float expected[] = {0, -0.0f, 1, -2, 65504, 0x1p-24f, 1023 * 0x1p-24f, INFINITY, 0.333251953125f};
  TensorView view;
  view.dtype = DType::kF16;
  view.data = reinterpret_cast<const std::byte*>(f16);
  float out[9];
  ReadFloats(view, 0, 9, out);
  EXPECT_EQ(std::memcmp(out, expected, sizeof(out)), 0);
  const uint16_t bf16[] = {0x3F80, 0xC000, 0x7F80};
  view.dtype = DType::kBF16;
  view.data = reinterpret_cast<const std::byte*>(bf16);
  ReadFloats(view, 0, 3, out);
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], -2.0f);
  EXPECT_TRUE(std::isinf(out[2]));
}

TEST(SinusoidalPositions, FollowTheFormula) {
  std::vector<float> table(5 * 6);
  FillSinusoidalPositions(5, 6, table.data());
  EXPECT_EQ(table[0], 0.0f);
  EXPECT_EQ(table[1], 1.0f);
  EXPECT_FLOAT_EQ(table[3 * 6 + 0], std::sin(3.0f));
  EXPECT_FLOAT_EQ(table[3 * 6 + 1], std::cos(3.0f));
  EXPECT_FLOAT_EQ(table[4 * 6 + 4], static_cast<float>(std::sin(4 / std::pow(10000.0, 4.0 / 6))));
}

}  // namespace
}  // namespace attendant
