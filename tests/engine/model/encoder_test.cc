#include "engine/model/encoder.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/kernels/dispatch.h"
#include "engine/model/reference_encoder.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

TokenSequence Sequence(std::vector<int32_t> ids) {
  TokenSequence sequence;
  sequence.token_type_ids.assign(ids.size(), 0);
  sequence.input_ids = std::move(ids);
  return sequence;
}

// Sequences of 1 to the maximum number of tokens, with both token types where the model has two.
std::vector<TokenSequence> VariedSequences(const ModelConfig& config) {
  std::vector<TokenSequence> sequences;
  for (const int32_t length : {1, 2, 3, 15, 16, 17, 31, 32, 33, 48, 63, config.max_position_embeddings}) {
    std::vector<int32_t> ids;
    for (int32_t i = 0; i < length; ++i) ids.push_back((i * 37 + length * 11) % config.vocab_size);
    sequences.push_back(Sequence(ids));
    for (int32_t i = length / 2; i < length; ++i) {
      sequences.back().token_type_ids[static_cast<size_t>(i)] = config.type_vocab_size - 1;
    }
  }
  return sequences;
}

// The hidden states of each sequence of one batch.
std::vector<std::vector<float>> RunBatch(const ModelFixture& model, const kernels::KernelTable& table,
                                         const std::vector<const TokenSequence*>& sequences,
                                         const Encoder::Abandoned& abandoned = nullptr, AttentionSink* sink = nullptr) {
  int32_t total = 0;
  for (const TokenSequence* sequence : sequences) total += sequence->num_tokens();
  Workspace workspace(model.config, total);
  for (size_t i = 0; i < sequences.size(); ++i) workspace.batch.Add(sequences[i], i);
  Encoder({model.config, table}, *model.weights).Forward(workspace, abandoned, sink);
  std::vector<std::vector<float>> results(sequences.size());
  for (size_t i = 0; i < workspace.batch.size(); ++i) {
    for (int32_t row = workspace.batch.cu_seqlens[i]; row < workspace.batch.cu_seqlens[i + 1]; ++row) {
      const float* data = workspace.hidden_states.data() + row * workspace.hidden_stride;
      auto& result = results[workspace.batch.task_indices[i]];
      result.insert(result.end(), data, data + model.config.hidden_size);
    }
  }
  return results;
}

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
  std::vector<const TokenSequence*> forward, backward;
  for (const TokenSequence& sequence : sequences) forward.push_back(&sequence);
  backward.assign(forward.rbegin(), forward.rend());
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
  std::vector<const TokenSequence*> all;
  for (const TokenSequence& sequence : sequences) all.push_back(&sequence);
  const auto expected = RunBatch(model, table, all);
  const auto found = RunBatch(model, table, all, [](size_t task) { return task % 3 == 0; });
  const bool can_drop = model.config.num_hidden_layers > 1;
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(found[i], can_drop && i % 3 == 0 ? std::vector<float>() : expected[i]) << i;
  }
}

TEST(Encoder, EverySequenceDroppedEndsTheRun) {
  const ModelFixture model("tiny-mean");
  const TokenSequence sequence = Sequence({2, 7, 3});
  const auto found = RunBatch(model, *kernels::AvailableKernels().front(), {&sequence}, [](size_t) { return true; });
  EXPECT_TRUE(found[0].empty());
}

// Keeps every map whole.
class RecordingSink final : public AttentionSink {
 public:
  bool Wants(size_t, int32_t, int32_t) const override { return true; }
  void Take(const AttentionBlock& block) override {
    for (int32_t r = 0; r < block.num_rows; ++r) {
      double sum = 0;
      for (int32_t c = 0; c < block.num_tokens; ++c) {
        values.push_back(block.scores[r * block.stride + c] * block.inverse_sums[r]);
        sum += values.back();
      }
      EXPECT_NEAR(sum, 1.0, 1e-5);
    }
  }
  std::vector<float> values;
};

TEST_P(EncoderTest, AttentionMapsAgreeWithTransformers) {
  const ModelFixture model(GetParam());
  const nlohmann::json expected = Expected(GetParam());
  const TokenSequence sequence = Sequence(expected["token_ids"][1].get<std::vector<int32_t>>());
  for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
    RecordingSink sink;
    RunBatch(model, *table, {&sequence}, nullptr, &sink);
    EXPECT_LT(MaxDifference(sink.values, Flat(expected["attention"]["maps"])), 1e-5f) << table->name;
  }
}

}  // namespace
}  // namespace attendant
