#include "engine/kernels/dispatch.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace attendant::kernels {
namespace {

TEST(Dispatch, AutoTakesTheBestAndSaysWhy) {
  unsetenv("ATTENDANT_ISA");
  const auto choice = ChooseKernels("auto");
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->table, AvailableKernels().front());
  EXPECT_FALSE(choice->reason.empty());
}

TEST(Dispatch, TheEnvironmentOverridesAutoButNotTheFlag) {
  setenv("ATTENDANT_ISA", "scalar", 1);
  EXPECT_STREQ(ChooseKernels("auto")->table->name, "scalar");
  for (const KernelTable* table : AvailableKernels()) {
    EXPECT_EQ(ChooseKernels(table->name)->table, table);
  }
  unsetenv("ATTENDANT_ISA");
}

TEST(Dispatch, AnUnknownNameIsAnErrorThatListsTheKnown) {
  const auto choice = ChooseKernels("sse9");
  EXPECT_EQ(choice.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(choice.status().message().find("avx2"), absl::string_view::npos);
}

}  // namespace
}  // namespace attendant::kernels
