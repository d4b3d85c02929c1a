// From what the operator asks for (--precision) to loaded layers, with the reasons.
#ifndef ATTENDANT_ENGINE_PRECISION_CHOICE_H_
#define ATTENDANT_ENGINE_PRECISION_CHOICE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/precision_gate.h"

namespace attendant {

struct PrecisionChoice {
  Precision precision = Precision::kFp32;
  std::vector<LayerWeights> layers;
  std::string reason;  // a sentence for the start-up log: the gate's figures, rates, layers kept wider
};

// "fp32", "bf16", "int8"; nullopt for "auto". INVALID_ARGUMENT for another name.
absl::StatusOr<std::optional<Precision>> ParsePrecision(std::string_view name);

enum class GateMode { kOn, kOff };

// nullopt: the fastest precision, by measured rates, that passes the gate with most of its layers; fp32 if none does.
// A precision that was asked for is used whatever the gate finds, which the reason then says. kOff: not gated, and
// nothing is measured; then "auto" means fp32.
absl::StatusOr<PrecisionChoice> ChooseLayers(const GateInput& input, std::optional<Precision> wanted, GateMode mode);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_PRECISION_CHOICE_H_
