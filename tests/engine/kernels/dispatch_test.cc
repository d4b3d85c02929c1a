#include "engine/kernels/dispatch.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace attendant::kernels {
namespace {

TEST(Dispatch, AutoTakesTheBestAndSaysWhy) {
  unsetenv("ATTENDANT_ISA");
  const auto choice = ChooseKernels("auto");
  ASSERT_TRUE(choice.ok()) << choice.status();
  const std::vector<const KernelTable*> tables = AvailableKernels();
  // The best but one where this CPU does bf16 faster without its bf16 unit, which is measured.
  const bool has_bf16_unit = tables.front()->gemm_bf16 == attendant_gemm_bf16_avx512bf16;
  EXPECT_TRUE(choice->table == tables[0] || (has_bf16_unit && choice->table == tables[1])) << choice->table->name;
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
  for (const char* name : {"scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx"}) {
    EXPECT_NE(choice.status().message().find(name), absl::string_view::npos) << name;
  }
}

// A table may lack only what kernels.h says it may.
TEST(Dispatch, EveryTableIsWhole) {
  for (const KernelTable* table : AvailableKernels()) {
    EXPECT_TRUE(table->gemm && table->layer_norm && table->softmax && table->scale && table->activate &&
                table->transpose && table->gemm_int8 && table->gemm_int16 && table->gemm_bf16 &&
                table->quantize_uint8 && table->quantize_int16 && table->pack_int16_keys && table->pack_int16_values &&
                table->softmax_int16)
        << table->name;
  }
}

}  // namespace
}  // namespace attendant::kernels
