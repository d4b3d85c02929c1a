#include "engine/model/encoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/kernels/dispatch.h"
#include "engine/model/reference_encoder.h"
#include "tests/engine/model/encoder_runs.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

class EncoderTest : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Models, EncoderTest, testing::ValuesIn(ModelNames()), [](const auto& name) {
  std::string identifier = name.param;
  std::replace(identifier.begin(), identifier.end(), '-', '_');
  return identifier;
});

TEST_P(EncoderTest, BothEnginesAgreeWithTransformers) {
  const ModelFixture model(GetParam());
  const nlohmann::json expected = Expected(GetParam());
  const TokenSequence sequence = Sequence(expected["token_ids"][1].get<std::vector<int32_t>>());
  const std::vector<float> hidden = Flat(expected["attention"]["hidden"]);
  const auto reference = ReferenceEncoder::Load(*model.file, model.config).value();
  const ReferenceOutput output = reference->Forward(sequence, ReferenceEncoder::Maps::kAll);
  EXPECT_LT(MaxDifference(output.hidden_states, hidden), 2e-5f) << "reference engine";
  EXPECT_LT(MaxDifference(output.attention, Flat(expected["attention"]["maps"])), 1e-5f) << "reference engine";
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    EXPECT_LT(MaxDifference(RunBatch(model, *table, {&sequence})[0], hidden), 2e-5f) << table->name;
  }
}

TEST_P(EncoderTest, AgreesWithTheReferenceForEveryLength) {
  const ModelFixture model(GetParam(), /*threads=*/3);
  const auto reference = ReferenceEncoder::Load(*model.file, model.config).value();
  for (const TokenSequence& sequence : VariedSequences(model.config)) {
    const ReferenceOutput expected = reference->Forward(sequence, ReferenceEncoder::Maps::kNone);
    for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
      EXPECT_LT(MaxDifference(RunBatch(model, *table, {&sequence})[0], expected.hidden_states), 5e-5f)
          << table->name << ", " << sequence.num_tokens() << " tokens";
    }
  }
}

TEST_P(EncoderTest, BytesDependNeitherOnTheBatchNorOnTheInstructionSet) {
  const ModelFixture model(GetParam());
  const std::vector<TokenSequence> sequences = VariedSequences(model.config);
  const std::vector<const TokenSequence*> forward = PointersTo(sequences);
  const std::vector<const TokenSequence*> backward(forward.rbegin(), forward.rend());
  std::vector<std::vector<float>> alone;
  for (const TokenSequence* sequence : forward) {
    alone.push_back(RunBatch(model, *kernels::AvailableKernels().front(), {sequence})[0]);
  }
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    EXPECT_EQ(RunBatch(model, *table, forward), alone) << table->name;
    auto reversed = RunBatch(model, *table, backward);
    std::reverse(reversed.begin(), reversed.end());
    EXPECT_EQ(reversed, alone) << table->name;
  }
}

TEST_P(EncoderTest, DroppingASequenceBetweenLayersLeavesTheOthersAlone) {
  const ModelFixture model(GetParam());
  const std::vector<TokenSequence> sequences = VariedSequences(model.config);
  const kernels::KernelTable& table = *kernels::AvailableKernels().front();
  const std::vector<const TokenSequence*> all = PointersTo(sequences);
  const auto expected = RunBatch(model, table, all);
  const auto found = RunBatch(model, table, all, {.abandoned = [](size_t task) { return task % 3 == 0; }});
  const bool can_drop = model.config.num_hidden_layers > 1;
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(found[i], can_drop && i % 3 == 0 ? std::vector<float>() : expected[i]) << i;
  }
}

TEST(Encoder, EverySequenceDroppedEndsTheRun) {
  const ModelFixture model("tiny-mean");
  const TokenSequence sequence = Sequence({2, 7, 3});
  const auto found =
      RunBatch(model, *kernels::AvailableKernels().front(), {&sequence}, {.abandoned = [](size_t) { return true; }});
  EXPECT_TRUE(found[0].empty());
}

TEST_P(EncoderTest, AttentionMapsAgreeWithTransformers) {
  const ModelFixture model(GetParam());
  const nlohmann::json expected = Expected(GetParam());
  const TokenSequence sequence = Sequence(expected["token_ids"][1].get<std::vector<int32_t>>());
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    RecordingSink sink;
    RunBatch(model, *table, {&sequence}, {.sink = &sink});
    EXPECT_LT(MaxDifference(sink.values, Flat(expected["attention"]["maps"])), 1e-5f) << table->name;
  }
}

}  // namespace
}  // namespace attendant
