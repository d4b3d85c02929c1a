// The numeric kernels: plain arrays in, plain arrays out. One table of function pointers per instruction set, filled
// from the same source (fp32_kernels.inc), chosen once at start (dispatch.h).
//
// Exactness across instruction sets: every output element is computed by one fixed sequence of IEEE operations
// (fused multiply-add, add, multiply, divide, square root), whatever the tile, the neighbours or the instruction set.
// Sums over a row run in 16 interleaved lanes that are folded in a fixed tree. Therefore all tables give the same bits;
// only bf16 products differ between instruction sets (low_gemm.inc).
//
// Kernels cannot fail: callers validate. No kernel allocates, locks or touches a static.
// Layout: matrices are row-major; rows of activations are padded with zeros to a multiple of kPanelWidth floats, so
// that no kernel has a column tail. m, n, k as in C[m, n] = A[m, k] * B[k, n].
#ifndef ATTENDANT_ENGINE_KERNELS_KERNELS_H_
#define ATTENDANT_ENGINE_KERNELS_KERNELS_H_

#include <cstdint>

namespace attendant::kernels {

// Columns of B in one packed panel. 32 floats are two AVX-512 registers: with 12 rows they make a register tile of 24
// accumulators, enough to hide the latency of two FMA ports.
inline constexpr int64_t kPanelWidth = 32;

// Low-precision panels hold k in whole cache lines of a row of A: what one AMX tile row or one AVX-512 load takes.
inline constexpr int64_t kLineBytes = 64;

inline constexpr int64_t PadToPanel(int64_t columns) { return (columns + kPanelWidth - 1) / kPanelWidth * kPanelWidth; }

enum class Activation : int32_t {
  kNone,
  kGelu,       // x * 0.5 * (1 + erf(x / sqrt(2)))
  kGeluTanh,   // the tanh approximation: gelu_new, gelu_pytorch_tanh, gelu_fast
  kQuickGelu,  // x * sigmoid(1.702 x)
  kRelu,
  kSilu,
  kSigmoid,
  kTanh,
};

// C = activation(A * B + bias + residual)
struct GemmArgs {
  const float* a;  // [m, k], row stride lda
  int64_t lda;
  const float* b;                 // [n / 32][k][32]: packed panels (packing.h)
  const float* next_b = nullptr;  // a panel to fetch ahead while the last one is computed, or null
  const float* bias;              // [n] or null
  const float* residual;          // [m, n], row stride ldc, or null; may be c itself
  float* c;                       // [m, n], row stride ldc
  int64_t ldc;
  int64_t m;
  int64_t n;  // a multiple of kPanelWidth
  int64_t k;
  Activation activation;
};

// C = activation(dequantised A * B + bias + residual), A and B of a lower precision, the sums in int32 or fp32.
//   int8:  A is uint8, B int8:  C[r][c] = (sum - a_zeros[r] * b_sums[c]) * (a_scales[r] * b_scales[c]) + ...
//   int16: A and B are int16:   C[r][c] = sum * (a_scales[r] * b_scales[c]) + ..., or just sum where a_scales is null;
//          the caller keeps |sum| below 2^31
//   bf16:  B is bf16, A bf16 or fp32 as the table's convert_bf16 says; no scales, zeros or sums
// An element group is what one 32-bit lane multiplies at once: 4 int8, 2 int16, 2 bf16.
struct LowGemmArgs {
  const void* a;  // [m, k], row stride lda; columns from the true k to the padded one are zero or meet zeros of B
  int64_t lda;    // in bytes
  const void* b;  // [n / 32][k / group][32][group]: packed panels (packing.h)
  const void* next_b = nullptr;  // as in GemmArgs
  const float* a_scales;         // [m]
  const float* a_zeros;          // [m], integers from 0 to 255
  const float* b_scales;         // [n]
  const float* b_sums;           // [n]: column sums of B
  const float* bias;             // [n] or null
  const float* residual;         // [m, n], row stride ldc, or null; may be c itself
  float* c;                      // [m, n], row stride ldc
  int64_t ldc;                   // in floats
  int64_t m;
  int64_t n;  // a multiple of kPanelWidth
  int64_t k;  // in elements, zero-padded: a multiple of 64 (int8) or 32 (bf16), of 2 for int16
  Activation activation;
};

// Rows of fp32 activations into the A of a low-precision product. `out` of a row: n_padded elements, those from n on
// zero. uint8: activation(x) * factors = scales * (out - zeros); int16: x = scales * out, |out| <= limit; bf16:
// rounded, no scales.
struct QuantizeArgs {
  float* x;               // [m, n], row stride `stride`; uint8 and bf16 want n to be a multiple of 16
  int64_t stride;         // in floats
  const float* factors;   // [n] or null; uint8 only
  Activation activation;  // uint8 only: applied to x in place
  int64_t m;
  int64_t n;
  void* out;           // [m, n_padded]
  int64_t out_stride;  // in bytes
  int64_t n_padded;    // a multiple of 16
  float* scales;       // [m]
  float* zeros;        // [m]; uint8 only
  float limit;         // int16 only
};

// Up to kPanelWidth rows become the columns of a panel: transposed[column][row] = source[row][column]. All kPanelWidth
// columns are written, zero from `rows` on.
struct TransposeArgs {
  const float* source;
  int64_t source_stride;
  int64_t rows;
  int64_t columns;
  float* transposed;
  int64_t transposed_stride;
};

inline constexpr int64_t kMaxInt16HeadDim = 512;

// One head's keys or values into the B of an int16 product, |element| <= limit.
//   keys:   panels[tokens / 32][features_padded / 2][32 tokens][2], scales[0] for all
//   values: panels[features / 32][(tokens + 1) / 2][32 features][2], scales per feature
// Scales of values are written for whole panels. Tokens and features beyond the true ones are zero.
struct PackInt16Args {
  const float* x;  // [tokens, features], row stride `stride`
  int64_t stride;
  int64_t tokens;
  int64_t features;         // at most kMaxInt16HeadDim
  int64_t features_padded;  // a multiple of kPanelWidth
  int16_t* panels;
  float* scales;
  float limit;
};

// What softmax_int16 makes of the largest score of a row.
inline constexpr float kProbabilityLog2 = 13.0f;
inline constexpr float kProbabilityOne = 8192.0f;

// exponentials = kProbabilityOne * exp(x - max) for x = scores * factors[row] * factor, to 7.5e-5; probabilities are
// their integers, zero up to the next multiple of 16 columns.
struct SoftmaxInt16Args {
  float* scores;  // [m, n], row stride `stride`
  int64_t stride;
  int64_t m;
  int64_t n;
  const float* factors;  // [m]
  float factor;
  bool keep_exponentials;  // true: in place of the scores, which are lost otherwise
  float* inverse_sums;     // [m]: 1 / sum of the exponentials
  int16_t* probabilities;  // [m, n], row stride `probability_stride`
  int64_t probability_stride;
};

struct LayerNormArgs {
  float* x;  // [m, stride], in place; columns from n on are left alone
  int64_t stride;
  const float* gamma;  // [n]
  const float* beta;   // [n]
  int64_t m;
  int64_t n;
  float epsilon;
};

struct KernelTable {
  const char* name;

  void (*gemm)(const GemmArgs& args);

  // x = (x - mean) / sqrt(variance + epsilon) * gamma + beta, each row on its own. Ba et al., "Layer Normalization".
  void (*layer_norm)(const LayerNormArgs& args);

  // Each of m rows of n scores (row stride `stride`, readable and writable up to the next multiple of 16, where it is
  // left zero): scores = exp(scores - max), inverse_sums[row] = 1 / sum. Probabilities are the product of the two.
  void (*softmax)(float* scores, int64_t stride, int64_t m, int64_t n, float* inverse_sums);

  // x *= factor over n floats, n a multiple of 16.
  void (*scale)(float* x, int64_t n, float factor);

  // x = activation(x) over n floats, n a multiple of 16.
  void (*activate)(float* x, int64_t n, Activation activation);

  void (*transpose)(const TransposeArgs& args);

  void (*gemm_int8)(const LowGemmArgs& args);
  void (*gemm_int16)(const LowGemmArgs& args);
  void (*gemm_bf16)(const LowGemmArgs& args);
  // Makes the A of gemm_bf16; null: gemm_bf16 takes fp32 rows as they are.
  void (*convert_bf16)(const QuantizeArgs& args);
  void (*quantize_uint8)(const QuantizeArgs& args);
  void (*quantize_int16)(const QuantizeArgs& args);
  void (*pack_int16_keys)(const PackInt16Args& args);
  void (*pack_int16_values)(const PackInt16Args& args);
  void (*softmax_int16)(const SoftmaxInt16Args& args);
};

extern "C" const KernelTable* attendant_kernels_scalar();
extern "C" const KernelTable* attendant_kernels_avx2();
extern "C" const KernelTable* attendant_kernels_avx512();

// Kernels of single instruction-set extensions; dispatch puts them in the place of a table's own.
extern "C" void attendant_gemm_int8_avxvnni(const LowGemmArgs& args);
extern "C" void attendant_gemm_int16_avxvnni(const LowGemmArgs& args);
extern "C" void attendant_gemm_int8_avx512vnni(const LowGemmArgs& args);
extern "C" void attendant_gemm_int16_avx512vnni(const LowGemmArgs& args);
extern "C" void attendant_gemm_bf16_avx512bf16(const LowGemmArgs& args);  // A is bf16
extern "C" void attendant_convert_bf16_avx512(const QuantizeArgs& args);
extern "C" void attendant_gemm_int8_amx(const LowGemmArgs& args);
extern "C" void attendant_gemm_bf16_amx(const LowGemmArgs& args);  // A is bf16

}  // namespace attendant::kernels

#endif  // ATTENDANT_ENGINE_KERNELS_KERNELS_H_
