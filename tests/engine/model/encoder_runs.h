// What several tests of the encoder share: sequences of every kind of length, a batch run from ids to hidden states, a
// team that shares work in an unusual order.
#ifndef ATTENDANT_TESTS_ENGINE_MODEL_ENCODER_RUNS_H_
#define ATTENDANT_TESTS_ENGINE_MODEL_ENCODER_RUNS_H_

#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "engine/model/encoder.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {

inline TokenSequence Sequence(std::vector<int32_t> ids) {
  TokenSequence sequence;
  sequence.token_type_ids.assign(ids.size(), 0);
  sequence.input_ids = std::move(ids);
  return sequence;
}

// Of this many tokens, with both token types where the model has two.
inline TokenSequence SequenceOf(int32_t length, const ModelConfig& config) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < length; ++i) ids.push_back((i * 37 + length * 11) % config.vocab_size);
  TokenSequence sequence = Sequence(std::move(ids));
  for (int32_t i = length / 2; i < length; ++i) {
    sequence.token_type_ids[static_cast<size_t>(i)] = config.type_vocab_size - 1;
  }
  return sequence;
}

// Sequences of 1 to the maximum number of tokens.
inline std::vector<TokenSequence> VariedSequences(const ModelConfig& config) {
  std::vector<TokenSequence> sequences;
  for (const int32_t length : {1, 2, 3, 15, 16, 17, 31, 32, 33, 48, 63, config.max_position_embeddings}) {
    sequences.push_back(SequenceOf(length, config));
  }
  return sequences;
}

inline std::vector<const TokenSequence*> PointersTo(const std::vector<TokenSequence>& sequences) {
  std::vector<const TokenSequence*> pointers;
  for (const TokenSequence& sequence : sequences) pointers.push_back(&sequence);
  return pointers;
}

struct RunOptions {
  Encoder::Abandoned abandoned = nullptr;
  AttentionSink* sink = nullptr;
  Team* team = nullptr;
};

// The hidden states of each sequence of one batch.
inline std::vector<std::vector<float>> RunBatch(const ModelFixture& model, const kernels::KernelTable& table,
                                                const std::vector<const TokenSequence*>& sequences,
                                                const RunOptions& options = {}) {
  int32_t total = 0;
  for (const TokenSequence* sequence : sequences) total += sequence->num_tokens();
  Workspace workspace(model.config, total);
  for (size_t i = 0; i < sequences.size(); ++i) workspace.batch.Add(sequences[i], i);
  Encoder({model.config, table}, *model.weights).Forward(workspace, options.abandoned, options.sink, options.team);
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

// Keeps every map whole. Rows must sum to 1.
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

// Hands the parts to three threads in an order of its own: last part first.
class BackwardTeam final : public Team {
 public:
  int size() const override { return 3; }
  void ParallelFor(int parts, absl::FunctionRef<void(int part, int member)> body) override {
    std::vector<std::thread> threads;
    for (int member = 0; member < 3; ++member) {
      threads.emplace_back([&, member] {
        for (int part = parts - 1 - member; part >= 0; part -= 3) body(part, member);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
};

}  // namespace attendant

#endif  // ATTENDANT_TESTS_ENGINE_MODEL_ENCODER_RUNS_H_
