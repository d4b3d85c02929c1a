// A batch shared by a team has the bytes of a batch that one thread ran.
#include <gtest/gtest.h>

#include "engine/kernels/dispatch.h"
#include "tests/engine/model/encoder_runs.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

TEST(Team, SharedBatchesHaveTheBytesOfUnsharedOnes) {
  BackwardTeam team;
  for (const std::string& name : ModelNames()) {
    for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
      const ModelFixture model(name, /*threads=*/1, precision);
      const std::vector<TokenSequence> sequences = {SequenceOf(70, model.config), Sequence({2, 9, 3})};
      for (const kernels::KernelTable* table : kernels::AvailableKernels()) {
        EXPECT_EQ(RunBatch(model, *table, PointersTo(sequences), {.team = &team}),
                  RunBatch(model, *table, PointersTo(sequences)))
            << name << " " << table->name << " " << PrecisionName(precision);
      }
    }
  }
}

}  // namespace
}  // namespace attendant
