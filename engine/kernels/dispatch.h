// Chooses the kernel table for this CPU, once, at start.
#ifndef ATTENDANT_ENGINE_KERNELS_DISPATCH_H_
#define ATTENDANT_ENGINE_KERNELS_DISPATCH_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/kernels/kernels.h"

namespace attendant::kernels {

struct KernelChoice {
  const KernelTable* table;
  std::string reason;  // a sentence for the start-up log
};

// isa: "auto" (the ATTENDANT_ISA environment variable where set, else the best this CPU has, measured where bf16 could
// be done in two ways), "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16" or "amx". INVALID_ARGUMENT
// for another name, FAILED_PRECONDITION for one that this CPU lacks.
absl::StatusOr<KernelChoice> ChooseKernels(std::string_view isa);

// Every table this CPU can run, the best first. For tests and benchmarks.
std::vector<const KernelTable*> AvailableKernels();

}  // namespace attendant::kernels

#endif  // ATTENDANT_ENGINE_KERNELS_DISPATCH_H_
