#include "engine/kernels/dispatch.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace attendant::kernels {
namespace {

struct Entry {
  const char* name;
  const KernelTable* (*table)();
  bool (*supported)();
  const char* needs;
};

// __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool HasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool HasScalar() { return true; }

constexpr Entry kEntries[] = {
    {"avx512", attendant_kernels_avx512, HasAvx512, "AVX-512 F/BW/DQ/VL"},
    {"avx2", attendant_kernels_avx2, HasAvx2, "AVX2 and FMA"},
    {"scalar", attendant_kernels_scalar, HasScalar, "nothing special"},
};

}  // namespace

absl::StatusOr<KernelChoice> ChooseKernels(std::string_view isa) {
  std::string wanted(isa);
  std::string origin = "asked for";
  if (wanted.empty() || wanted == "auto") {
    const char* environment = std::getenv("ATTENDANT_ISA");  // NOLINT(concurrency-mt-unsafe): read once, at start
    wanted = environment != nullptr && *environment != '\0' ? environment : "auto";
    origin = "set by ATTENDANT_ISA";
  }
  for (const Entry& entry : kEntries) {
    if (wanted == "auto") {
      if (!entry.supported()) continue;
      return KernelChoice{entry.table(), absl::StrCat("the best this CPU has (", entry.needs, ")")};
    }
    if (wanted != entry.name) continue;
    if (!entry.supported()) {
      return absl::FailedPreconditionError(
          absl::StrCat("instruction set \"", wanted, "\" was ", origin, ", but this CPU lacks ", entry.needs));
    }
    return KernelChoice{entry.table(), origin};
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown instruction set \"", wanted, "\" (", origin, "): use auto, scalar, avx2 or avx512"));
}

std::vector<const KernelTable*> AvailableKernels() {
  std::vector<const KernelTable*> tables;
  for (const Entry& entry : kEntries) {
    if (entry.supported()) tables.push_back(entry.table());
  }
  return tables;
}

}  // namespace attendant::kernels
