#include "engine/model/linear.h"

#include <algorithm>
#include <cmath>

#include "engine/kernels/packing.h"
#include "engine/model/shared_work.h"

namespace attendant {
namespace {

int64_t RoundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

int64_t BytesPerWeight(Precision precision) {
  return precision == Precision::kFp32 ? 4 : precision == Precision::kBf16 ? 2 : 1;
}

// x into the form that the linear layer's product multiplies.
void FillOperand(const kernels::KernelTable& kernels, const Linear& linear, const LinearArgs& args,
                 const Operand::Rows& operand, Team* team) {
  const auto convert = linear.precision == Precision::kInt8 ? kernels.quantize_uint8 : kernels.convert_bf16;
  ForRows(args.m, team, [&](int64_t first, int64_t rows) {
    convert({.x = args.x + first * args.x_stride,
             .stride = args.x_stride,
             .factors = linear.factors,
             .activation = args.x_activation,
             .m = rows,
             .n = RoundUp(linear.in, 16),
             .out = operand.data + first * operand.stride,
             .out_stride = operand.stride,
             .n_padded = linear.in_padded,
             .scales = operand.scales + first,
             .zeros = operand.zeros + first,
             .limit = 0});
  });
}

// factor = sqrt(largest weight / largest activation) of each input feature.
void FillFactors(const Linear& linear, const float* weight, const float* peaks) {
  auto* factors = const_cast<float*>(linear.factors);
  const float highest_peak = *std::max_element(peaks, peaks + linear.in);
  std::fill(factors, factors + linear.in, 0.0f);
  for (int64_t row = 0; row < linear.out; ++row) {
    for (int64_t i = 0; i < linear.in; ++i) factors[i] = std::max(factors[i], std::fabs(weight[row * linear.in + i]));
  }
  for (int64_t i = 0; i < linear.in; ++i) {
    const float largest = factors[i];
    // Features that the texts never moved may yet move: they are treated as small ones, not as none.
    const float peak = std::max(peaks[i], 1e-3f * highest_peak);
    const float factor = std::sqrt(largest / peak);
    factors[i] = std::isfinite(factor) && factor > 0.0f ? factor : 1.0f;
  }
}

}  // namespace

const char* PrecisionName(Precision precision) {
  return precision == Precision::kFp32 ? "fp32" : precision == Precision::kBf16 ? "bf16" : "int8";
}

void Linear::Shape(int64_t in_features, int64_t out_features, Precision wanted) {
  precision = wanted;
  in = in_features;
  out = out_features;
  out_padded = kernels::PadToPanel(out);
  in_padded = wanted == Precision::kFp32 ? in : RoundUp(in, kernels::kLineBytes / BytesPerWeight(wanted));
}

int64_t Linear::panels_bytes() const { return out_padded * in_padded * BytesPerWeight(precision); }

void Linear::Pack(const float* weight, const float* peaks) const {
  void* target = const_cast<void*>(panels);
  if (factors != nullptr) FillFactors(*this, weight, peaks);
  switch (precision) {
    case Precision::kFp32:
      return kernels::PackPanels({.weight = weight, .n = out, .k = in, .panels = static_cast<float*>(target)});
    case Precision::kBf16:
      return kernels::PackBf16(
          {.weight = weight, .n = out, .k = in, .k_padded = in_padded, .panels = static_cast<uint16_t*>(target)});
    case Precision::kInt8:
      return kernels::PackInt8({.weight = weight,
                                .factors = factors,
                                .n = out,
                                .k = in,
                                .k_padded = in_padded,
                                .panels = static_cast<int8_t*>(target),
                                .scales = const_cast<float*>(scales),
                                .sums = const_cast<float*>(sums)});
  }
}

// 16 bits is the widest form; one line more keeps rows apart in the cache.
Operand::Operand(int64_t num_rows, int64_t features)
    : stride_(RoundUp(features * 2, kernels::kLineBytes) + kernels::kLineBytes),
      rows_(num_rows * stride_ / static_cast<int64_t>(sizeof(float))),
      scales_(num_rows),
      zeros_(num_rows) {}

Operand::Rows Operand::From(int64_t first) const {
  char* data = reinterpret_cast<char*>(const_cast<float*>(rows_.data()));
  return {data + first * stride_, stride_, const_cast<float*>(scales_.data()) + first,
          const_cast<float*>(zeros_.data()) + first};
}

void ApplyLinear(const kernels::KernelTable& kernels, const Linear& linear, const LinearArgs& args,
                 const Operand::Rows& operand, Team* team) {
  const void* next = args.next != nullptr ? args.next->panels : nullptr;
  if (linear.precision == Precision::kFp32) {
    return SharedGemm(kernels,
                      {.a = args.x,
                       .lda = args.x_stride,
                       .b = static_cast<const float*>(linear.panels),
                       .next_b = static_cast<const float*>(next),
                       .bias = linear.bias,
                       .residual = args.residual,
                       .c = args.y,
                       .ldc = args.y_stride,
                       .m = args.m,
                       .n = linear.out_padded,
                       .k = linear.in,
                       .activation = args.activation},
                      team);
  }
  kernels::LowGemmArgs product = {.a = operand.data,
                                  .lda = operand.stride,
                                  .b = linear.panels,
                                  .next_b = next,
                                  .a_scales = operand.scales,
                                  .a_zeros = operand.zeros,
                                  .b_scales = linear.scales,
                                  .b_sums = linear.sums,
                                  .bias = linear.bias,
                                  .residual = args.residual,
                                  .c = args.y,
                                  .ldc = args.y_stride,
                                  .m = args.m,
                                  .n = linear.out_padded,
                                  .k = linear.in_padded,
                                  .activation = args.activation};
  const bool int8 = linear.precision == Precision::kInt8;
  if (int8 || kernels.convert_bf16 != nullptr) {
    FillOperand(kernels, linear, args, operand, team);
  } else {
    product.a = args.x;
    product.lda = args.x_stride * static_cast<int64_t>(sizeof(float));
  }
  SharedLowGemm(int8 ? kernels.gemm_int8 : kernels.gemm_bf16, product, linear.panels_bytes() / linear.out_padded, team);
}

}  // namespace attendant
