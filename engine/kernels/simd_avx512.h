// Sixteen floats as one AVX-512 register. Included by translation units compiled with the AVX-512 F/BW/DQ/VL flags.
#ifndef ATTENDANT_ENGINE_KERNELS_SIMD_AVX512_H_
#define ATTENDANT_ENGINE_KERNELS_SIMD_AVX512_H_

#ifdef __AVX512F__
#include <immintrin.h>

#include <cstdint>

namespace attendant::kernels {
namespace {

constexpr const char* kIsaName = "avx512";
// 12 rows x 2 registers are 24 accumulators; with two of B and the broadcasts they fit the 32 registers.
constexpr int kTileRows = 12;
constexpr int kTileColumns = 32;

struct V16 {
  __m512 v;
};
struct Mask16 {
  __mmask16 m;
};

inline V16 Load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void Store(float* p, V16 v) { _mm512_storeu_ps(p, v.v); }
inline V16 Set(float x) { return {_mm512_set1_ps(x)}; }
inline V16 Fma(V16 a, V16 b, V16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline V16 operator+(V16 a, V16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline V16 operator-(V16 a, V16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline V16 operator*(V16 a, V16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline V16 operator/(V16 a, V16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline V16 Min(V16 a, V16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline V16 Max(V16 a, V16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline V16 Round(V16 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline V16 PowerOfTwo(V16 n) {
  return {
      _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23))};
}
inline Mask16 FirstLanes(int64_t count) { return {static_cast<__mmask16>(count >= 16 ? 0xFFFF : (1u << count) - 1)}; }
inline Mask16 Less(V16 a, V16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline V16 Select(Mask16 m, V16 yes, V16 no) { return {_mm512_mask_blend_ps(m.m, no.v, yes.v)}; }
inline V16 LoadMasked(Mask16 m, const float* p) { return {_mm512_maskz_loadu_ps(m.m, p)}; }
inline void StoreMasked(Mask16 m, float* p, V16 v) { _mm512_mask_storeu_ps(p, m.m, v.v); }

// The vector that the GEMM's inner loop works on.
using Native = __m512;
constexpr int kNativeLanes = 16;
inline Native NativeZero() { return _mm512_setzero_ps(); }
inline Native NativeLoad(const float* p) { return _mm512_loadu_ps(p); }
inline Native NativeSet(float x) { return _mm512_set1_ps(x); }
inline Native NativeFma(Native a, Native b, Native c) { return _mm512_fmadd_ps(a, b, c); }
inline V16 Join(const Native* natives) { return {natives[0]}; }

}  // namespace
}  // namespace attendant::kernels

#endif  // __AVX512F__

#endif  // ATTENDANT_ENGINE_KERNELS_SIMD_AVX512_H_
