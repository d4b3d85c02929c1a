// A batch shared by a team has the bytes of a batch that one thread ran.
#include <gtest/gtest.h>

#include <thread>

#include "engine/kernels/dispatch.h"
#include "engine/model/encoder.h"
#include "engine/model/shared_work.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

// Hands the parts to three threads in an order of its own: last part first.
class BackwardTeam final : public Team {
 public:
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

TEST(Team, SharedBatchesHaveTheBytesOfUnsharedOnes) {
  BackwardTeam team;
  for (const std::string& name : ModelNames()) {
    const ModelFixture model(name);
    TokenSequence first, second;
    for (int32_t i = 0; i < 70; ++i) first.input_ids.push_back(i % model.config.vocab_size);
    second.input_ids = {2, 9, 3};
    first.token_type_ids.assign(70, 0);
    second.token_type_ids.assign(3, 0);
    for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
      const Encoder encoder({model.config, *table}, *model.weights);
      const auto run = [&](Team* helpers) {
        Workspace workspace(model.config, 73);
        workspace.batch.Add(&first, 0);
        workspace.batch.Add(&second, 1);
        encoder.Forward(workspace, nullptr, nullptr, helpers);
        return std::vector<float>(workspace.hidden_states.data(),
                                  workspace.hidden_states.data() + 73 * workspace.hidden_stride);
      };
      EXPECT_EQ(run(&team), run(nullptr)) << name << " " << table->name;
    }
  }
}

}  // namespace
}  // namespace attendant
