// One linear layer in the precision it was loaded in: its packed weights, and y = act(W x + b + residual).
//
// Thread-safety: a Linear is immutable once packed; an Operand belongs to one product at a time.
#ifndef ATTENDANT_ENGINE_MODEL_LINEAR_H_
#define ATTENDANT_ENGINE_MODEL_LINEAR_H_

#include <cstdint>

#include "engine/kernels/kernels.h"
#include "engine/model/buffer.h"
#include "engine/team.h"

namespace attendant {

enum class Precision {
  kFp32,
  kBf16,  // weights bf16, activations bf16 or fp32 (whichever this CPU multiplies faster), sums fp32
  kInt8,  // weights int8 per output channel, activations uint8 per token, sums int32
};
const char* PrecisionName(Precision precision);

struct Linear {
  Precision precision = Precision::kFp32;
  int64_t in = 0;
  int64_t out = 0;
  int64_t out_padded = 0;         // PadToPanel(out)
  int64_t in_padded = 0;          // in; bf16: to a multiple of 32; int8: of 64
  const void* panels = nullptr;   // [out_padded / 32][in_padded / group][32][group], as kernels/packing.h says
  const float* bias = nullptr;    // [out_padded]
  const float* scales = nullptr;  // int8: [out_padded]
  const float* sums = nullptr;    // int8: [out_padded]
  // int8: [in_padded] or null: activations are multiplied by them before they are quantised, weights were divided.
  const float* factors = nullptr;

  // Sets the shape; the caller then provides memory for panels (of panels_bytes()), bias, and for int8 scales, sums and
  // perhaps factors.
  void Shape(int64_t in_features, int64_t out_features, Precision wanted);
  int64_t panels_bytes() const;
  // Packs weight [out, in] into the memory behind the const pointers. peaks [in]: the largest magnitude of each input
  // feature over some texts; read where there is memory for factors, which are made from it. Xiao et al.,
  // "SmoothQuant", 2022, with an alpha of 1/2: a feature that is large in activations and small in weights would cost
  // all others in its row their resolution.
  void Pack(const float* weight, const float* peaks) const;
};

// Rows of activations in the form that a product wants, with room for a number of rows.
class Operand {
 public:
  Operand() = default;
  Operand(int64_t num_rows, int64_t features);

  struct Rows {
    char* data;
    int64_t stride;  // in bytes
    float* scales;
    float* zeros;
  };
  // From row `first` on.
  Rows From(int64_t first) const;

 private:
  int64_t stride_ = 0;
  Buffer rows_;    // [num_rows, stride_]
  Buffer scales_;  // [num_rows]
  Buffer zeros_;   // [num_rows]
};

struct LinearArgs {
  float* x;  // [m, in], row stride x_stride; zero from `in` to the next multiple of the panel width
  kernels::Activation x_activation =
      kernels::Activation::kNone;  // applied to x in place; other than kNone for int8 only
  int64_t x_stride;
  int64_t m;
  const float* residual;  // [m, out_padded], row stride y_stride, or null; may be y itself
  float* y;               // [m, out_padded], row stride y_stride
  int64_t y_stride;
  kernels::Activation activation;
  const Linear* next = nullptr;  // whose weights will be read next, if known: their beginning is fetched ahead
};

// y = activation(W x + b + residual). operand: room for m rows. team may be null.
void ApplyLinear(const kernels::KernelTable& kernels, const Linear& linear, const LinearArgs& args,
                 const Operand::Rows& operand, Team* team);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_LINEAR_H_
