#include "engine/precision_choice.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/kernels/rates.h"

namespace attendant {
namespace {

absl::StatusOr<PrecisionChoice> Ungated(const GateInput& input, Precision precision, std::string reason) {
  const auto count = static_cast<size_t>(input.context.config.num_hidden_layers);
  auto layers =
      LoadLayers(input.file, input.context.config, {0, std::vector<Precision>(count, precision)}, input.num_threads);
  if (!layers.ok()) return layers.status();
  return PrecisionChoice{precision, *std::move(layers), std::move(reason)};
}

std::string Figures(Precision precision, const GateResult& result) {
  const DriftLimit limit = LimitOf(precision);
  return absl::StrFormat("%s: worst cosine to fp32 %.5f (limit %g), Spearman of similarities %.5f (limit %g), %d texts",
                         DescribeLayers(precision, result.layers), result.drift.worst_cosine, limit.worst_cosine,
                         result.drift.spearman, limit.spearman, result.num_texts);
}

// Worth it only while most layers run in the precision that is named.
bool MostLayersKept(Precision precision, const std::vector<LayerWeights>& layers) {
  const auto kept = std::count_if(layers.begin(), layers.end(),
                                  [&](const LayerWeights& layer) { return layer.precision == precision; });
  return 2 * static_cast<size_t>(kept) >= layers.size();
}

absl::StatusOr<PrecisionChoice> Fastest(const GateInput& input) {
  const kernels::Rates rates = kernels::MeasureRates(input.context.kernels);
  std::string reason =
      absl::StrFormat("fastest that keeps its vectors; measured Gop/s per thread: fp32 %.0f, bf16 %.0f, int8 %.0f",
                      rates.fp32, rates.bf16, rates.int8);
  std::vector<std::pair<double, Precision>> order = {{rates.int8, Precision::kInt8}, {rates.bf16, Precision::kBf16}};
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [rate, precision] : order) {
    // bf16 at the rate of fp32 still halves the weights that small batches stream.
    if (rate < 0.9 * rates.fp32) continue;
    auto gated = LoadThroughGate(input, precision);
    if (!gated.ok()) return gated.status();
    const bool chosen = gated->passed && MostLayersKept(precision, gated->layers);
    absl::StrAppend(&reason, "; ", Figures(precision, *gated), chosen ? ": chosen" : ": refused");
    if (chosen) return PrecisionChoice{precision, std::move(gated->layers), std::move(reason)};
  }
  return Ungated(input, Precision::kFp32, absl::StrCat(reason, "; fp32: chosen"));
}

}  // namespace

absl::StatusOr<std::optional<Precision>> ParsePrecision(std::string_view name) {
  if (name == "auto") return std::optional<Precision>();
  for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
    if (name == PrecisionName(precision)) return std::optional<Precision>(precision);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown precision \"", std::string(name), "\": use fp32, bf16, int8 or auto"));
}

absl::StatusOr<PrecisionChoice> ChooseLayers(const GateInput& input, std::optional<Precision> wanted, GateMode mode) {
  if (mode == GateMode::kOff) return Ungated(input, wanted.value_or(Precision::kFp32), "not gated");
  if (!wanted.has_value()) return Fastest(input);
  if (*wanted == Precision::kFp32) return Ungated(input, *wanted, "the reference");
  auto gated = LoadThroughGate(input, *wanted);
  if (!gated.ok()) return gated.status();
  return PrecisionChoice{*wanted, std::move(gated->layers),
                         absl::StrCat("asked for; ", Figures(*wanted, *gated),
                                      gated->passed ? ": passed" : ": NOT PASSED, used as asked for")};
}

}  // namespace attendant
