#include "engine/kernels/dispatch.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/kernels/amx_permission.h"
#include "engine/kernels/rates.h"

namespace attendant::kernels {
namespace {

// __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
bool HasScalar() { return true; }
bool HasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool HasAvxVnni() { return HasAvx2() && __builtin_cpu_supports("avxvnni"); }
bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool HasAvx512Vnni() { return HasAvx512() && __builtin_cpu_supports("avx512vnni"); }
bool HasAvx512Bf16() { return HasAvx512Vnni() && __builtin_cpu_supports("avx512bf16"); }

// Tables of extensions: the table of the set they extend, with their own products in it.
KernelTable AvxVnni() {
  KernelTable table = *attendant_kernels_avx2();
  table.name = "avxvnni";
  table.gemm_int8 = attendant_gemm_int8_avxvnni;
  table.gemm_int16 = attendant_gemm_int16_avxvnni;
  return table;
}
KernelTable Avx512Vnni() {
  KernelTable table = *attendant_kernels_avx512();
  table.name = "avx512vnni";
  table.gemm_int8 = attendant_gemm_int8_avx512vnni;
  table.gemm_int16 = attendant_gemm_int16_avx512vnni;
  return table;
}
KernelTable Avx512Bf16() {
  KernelTable table = Avx512Vnni();
  table.name = "avx512bf16";
  table.gemm_bf16 = attendant_gemm_bf16_avx512bf16;
  table.convert_bf16 = attendant_convert_bf16_avx512;
  return table;
}

// Any CPU with AMX has the rest.
KernelTable Amx() {
  KernelTable table = Avx512Bf16();
  table.name = "amx";
  table.gemm_int8 = attendant_gemm_int8_amx;
  table.gemm_bf16 = attendant_gemm_bf16_amx;
  return table;
}

struct Entry {
  KernelTable table;
  bool supported;
  const char* needs;
};

// The best first.
const std::array<Entry, 7>& Entries() {
  static const std::array<Entry, 7> entries = {{
      {Amx(), HasAvx512Bf16() && AmxUsable(), "AMX tiles of int8 and bf16"},
      {Avx512Bf16(), HasAvx512Bf16(), "AVX-512 BF16 and VNNI"},
      {Avx512Vnni(), HasAvx512Vnni(), "AVX-512 VNNI"},
      {*attendant_kernels_avx512(), HasAvx512(), "AVX-512 F/BW/DQ/VL"},
      {AvxVnni(), HasAvxVnni(), "AVX2 and AVX-VNNI"},
      {*attendant_kernels_avx2(), HasAvx2(), "AVX2 and FMA"},
      {*attendant_kernels_scalar(), HasScalar(), "nothing special"},
  }};
  return entries;
}

KernelChoice BestOfThisCpu() {
  const auto& entries = Entries();
  const auto best = std::find_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.supported; });
  const std::string reason = absl::StrCat("the best this CPU has (", best->needs, ")");
  if (best->table.gemm_bf16 != attendant_gemm_bf16_avx512bf16) return {&best->table, reason};
  // Some CPUs run vdpbf16ps at a quarter of the rate of their fp32 units, others at the same.
  const double ratio = MeasureBf16Rate((best + 1)->table) / MeasureBf16Rate(best->table);
  if (ratio < 1.1) return {&best->table, reason};
  return {&(best + 1)->table,
          absl::StrFormat("the best this CPU has (%s; bf16 weights on the fp32 units, %.1f times as fast as vdpbf16ps)",
                          (best + 1)->needs, ratio)};
}

}  // namespace

absl::StatusOr<KernelChoice> ChooseKernels(std::string_view isa) {
  std::string wanted(isa);
  std::string origin = "asked for";
  if (wanted.empty() || wanted == "auto") {
    const char* environment = std::getenv("ATTENDANT_ISA");  // NOLINT(concurrency-mt-unsafe): read once, at start
    wanted = environment != nullptr && *environment != '\0' ? environment : "auto";
    origin = "set by ATTENDANT_ISA";
  }
  if (wanted == "auto") return BestOfThisCpu();
  std::string names = "auto";
  for (const Entry& entry : Entries()) {
    absl::StrAppend(&names, ", ", entry.table.name);
    if (wanted != entry.table.name) continue;
    if (!entry.supported) {
      return absl::FailedPreconditionError(
          absl::StrCat("instruction set \"", wanted, "\" was ", origin, ", but this CPU lacks ", entry.needs));
    }
    return KernelChoice{&entry.table, origin};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown instruction set \"", wanted, "\" (", origin, "): use one of ", names));
}

std::vector<const KernelTable*> AvailableKernels() {
  std::vector<const KernelTable*> tables;
  for (const Entry& entry : Entries()) {
    if (entry.supported) tables.push_back(&entry.table);
  }
  return tables;
}

}  // namespace attendant::kernels
