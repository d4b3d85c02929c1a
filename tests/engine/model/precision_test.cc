// The encoder in bf16 and int8: as close to fp32 as the precision allows, and the same bytes whatever runs beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

#include "engine/kernels/dispatch.h"
#include "engine/model/pooling.h"
#include "tests/engine/model/encoder_runs.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double product = 0, a2 = 0, b2 = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * b[i];
    a2 += static_cast<double>(a[i]) * a[i];
    b2 += static_cast<double>(b[i]) * b[i];
  }
  return product / std::sqrt(a2 * b2);
}

// The model's own pooling.
std::vector<float> Vector(const ModelFixture& model, const std::vector<float>& hidden) {
  const int32_t width = model.config.hidden_size;
  std::vector<float> out(model.sentence.pooling.size() * static_cast<size_t>(width));
  const auto tokens = static_cast<int32_t>(hidden.size() / static_cast<size_t>(width));
  Pool({hidden.data(), width, tokens, width}, model.sentence.pooling, 0, out.data());
  return out;
}

// The least cosine of a sequence's vector in `low` to its vector in `exact`.
double WorstCosine(const ModelFixture& model, const std::vector<std::vector<float>>& exact,
                   const std::vector<std::vector<float>>& low) {
  double worst = 1;
  for (size_t i = 0; i < exact.size(); ++i) {
    worst = std::min(worst, Cosine(Vector(model, exact[i]), Vector(model, low[i])));
  }
  return worst;
}

const kernels::KernelTable& Scalar() { return *kernels::attendant_kernels_scalar(); }

class PrecisionTest : public testing::TestWithParam<std::tuple<std::string, Precision>> {
 protected:
  std::string name() const { return std::get<0>(GetParam()); }
  Precision precision() const { return std::get<1>(GetParam()); }
  // Random weights are no harder than trained ones without outliers: the worst found were 0.99995 and 0.9996.
  double limit() const { return precision() == Precision::kBf16 ? 0.9999 : 0.999; }

  const ModelFixture exact_{name()};
  const ModelFixture low_{name(), 1, precision()};
  const std::vector<TokenSequence> sequences_ = VariedSequences(exact_.config);
  const std::vector<const TokenSequence*> all_ = PointersTo(sequences_);
};
INSTANTIATE_TEST_SUITE_P(Models, PrecisionTest,
                         testing::Combine(testing::ValuesIn(ModelNames()),
                                          testing::Values(Precision::kBf16, Precision::kInt8)),
                         [](const auto& model) {
                           std::string identifier =
                               std::get<0>(model.param) + "_" + PrecisionName(std::get<1>(model.param));
                           std::replace(identifier.begin(), identifier.end(), '-', '_');
                           return identifier;
                         });

TEST_P(PrecisionTest, VectorsPointWhereTheyDoInFp32) {
  const auto exact = RunBatch(exact_, Scalar(), all_);
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    EXPECT_GE(WorstCosine(exact_, exact, RunBatch(low_, *table, all_)), limit()) << table->name;
  }
}

TEST_P(PrecisionTest, BytesDependNeitherOnTheBatchNorOnTheTime) {
  const std::vector<const TokenSequence*> backward(all_.rbegin(), all_.rend());
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    std::vector<std::vector<float>> alone;
    for (const TokenSequence* sequence : all_) alone.push_back(RunBatch(low_, *table, {sequence})[0]);
    EXPECT_EQ(RunBatch(low_, *table, all_), alone) << table->name;
    EXPECT_EQ(RunBatch(low_, *table, all_), alone) << table->name << ", again";
    auto reversed = RunBatch(low_, *table, backward);
    std::reverse(reversed.begin(), reversed.end());
    EXPECT_EQ(reversed, alone) << table->name;
  }
}

// Integer sums are exact. In bf16 it matters whether activations are rounded, too.
TEST_P(PrecisionTest, BytesAreThoseOfTheScalarTwin) {
  const auto expected = RunBatch(low_, Scalar(), all_);
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    if (precision() == Precision::kBf16 && table->convert_bf16 != nullptr) continue;
    EXPECT_EQ(RunBatch(low_, *table, all_), expected) << table->name;
  }
}

TEST_P(PrecisionTest, AttentionMapsAreCloseToThoseOfFp32) {
  for (size_t i = 2; i < all_.size(); i += 3) {
    const TokenSequence* sequence = all_[i];
    RecordingSink exact;
    RunBatch(exact_, Scalar(), {sequence}, {.sink = &exact});
    for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
      RecordingSink low;
      RunBatch(low_, *table, {sequence}, {.sink = &low});
      // The worst found: 0.011 and 0.031.
      EXPECT_LT(MaxDifference(low.values, exact.values), precision() == Precision::kBf16 ? 0.02f : 0.05f)
          << table->name << ", " << sequence->num_tokens() << " tokens";
    }
  }
}

// Longer than one int32 sum of the context may be, in narrow heads and in heads of whole panels.
TEST_P(PrecisionTest, LongSequencesAreCloseToFp32) {
  if (name() != "sinusoidal-sqrt" && name() != "wide-heads-bf16") return;
  ModelFixture exact_model(name()), low_model(name(), 1, precision());
  exact_model.LengthenTo(600);
  low_model.LengthenTo(600);
  std::vector<TokenSequence> sequences;
  for (const int32_t length : {192, 193, 255, 256, 257, 511, 513, 600}) {
    sequences.push_back(SequenceOf(length, exact_model.config));
  }
  const kernels::KernelTable& best = *kernels::AvailableKernels().front();
  const auto exact = RunBatch(exact_model, best, PointersTo(sequences));
  const auto low = RunBatch(low_model, best, PointersTo(sequences));
  EXPECT_GE(WorstCosine(exact_model, exact, low), limit());
  for (size_t i = 0; i < exact.size(); ++i) {
    // Token by token; the worst found: 0.026 and 0.066 of values around 1.
    EXPECT_LT(MaxDifference(exact[i], low[i]), precision() == Precision::kBf16 ? 0.05f : 0.12f)
        << sequences[i].num_tokens() << " tokens";
    EXPECT_EQ(RunBatch(low_model, best, {&sequences[i]})[0], low[i]) << sequences[i].num_tokens() << " tokens";
  }
}

// What the drift gate may choose: each layer as it needs.
TEST(Precision, LayersMayDiffer) {
  const ModelFixture exact("odd-heads-cls");
  ModelFixture mixed("odd-heads-cls");
  mixed.weights->layers =
      LoadLayers(*mixed.file, mixed.config, {0, {Precision::kInt8, Precision::kFp32, Precision::kBf16}}, 2).value();
  const std::vector<TokenSequence> sequences = VariedSequences(exact.config);
  const auto expected = RunBatch(exact, Scalar(), PointersTo(sequences));
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    const auto found = RunBatch(mixed, *table, PointersTo(sequences));
    EXPECT_GE(WorstCosine(exact, expected, found), 0.99) << table->name;
    for (size_t i = 0; i < sequences.size(); ++i) {
      EXPECT_EQ(RunBatch(mixed, *table, {&sequences[i]})[0], found[i]) << table->name;
    }
  }
}

// Smoothing moves magnitude from activations to weights: the product stays what it was.
TEST(Precision, SmoothedLayersComputeTheSame) {
  const ModelFixture exact("odd-heads-cls");
  ModelFixture smoothed("odd-heads-cls");
  std::vector<float> uneven;
  for (int32_t i = 0; i < exact.config.hidden_size; ++i) uneven.push_back(i % 5 == 0 ? 8.0f : 0.5f);
  const ActivationPeaks peaks{uneven, uneven, uneven};
  for (int32_t i = 0; i < exact.config.num_hidden_layers; ++i) {
    auto layer = LoadLayers(*smoothed.file, smoothed.config, {i, {Precision::kInt8}, &peaks}, 1).value();
    smoothed.weights->layers[static_cast<size_t>(i)] = std::move(layer[0]);
  }
  const std::vector<TokenSequence> sequences = VariedSequences(exact.config);
  const auto expected = RunBatch(exact, Scalar(), PointersTo(sequences));
  const auto found = RunBatch(smoothed, Scalar(), PointersTo(sequences));
  EXPECT_GE(WorstCosine(exact, expected, found), 0.99);
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    EXPECT_EQ(RunBatch(smoothed, *table, PointersTo(sequences)), found) << table->name;
  }
}

// A value that is not finite is not hidden by its rounding to integers.
TEST(Precision, WhatIsNotFiniteStaysSo) {
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    for (const float value : {NAN, INFINITY}) {
      ModelFixture model("tiny-mean", 1, precision);
      const_cast<float*>(model.weights->embeddings.position)[1 * model.config.hidden_size + 3] = value;
      const TokenSequence sequence = Sequence({2, 9, 3});
      for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
        const auto hidden = RunBatch(model, *table, {&sequence})[0];
        EXPECT_TRUE(std::any_of(hidden.begin(), hidden.end(), [](float x) { return !std::isfinite(x); }))
            << table->name << " " << PrecisionName(precision);
      }
    }
  }
}

}  // namespace
}  // namespace attendant
