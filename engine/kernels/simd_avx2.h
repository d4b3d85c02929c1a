// Sixteen floats as two AVX2 registers. Included by one translation unit only, compiled with -mavx2 -mfma.
#ifndef ATTENDANT_ENGINE_KERNELS_SIMD_AVX2_H_
#define ATTENDANT_ENGINE_KERNELS_SIMD_AVX2_H_

#ifdef __AVX2__
#include <immintrin.h>

#include <cstdint>

namespace attendant::kernels {
namespace {

constexpr const char* kIsaName = "avx2";
// 6 rows x 2 registers are 12 accumulators; with two of B and one broadcast they fill the 16 registers.
constexpr int kTileRows = 6;
constexpr int kTileColumns = 16;

struct V16 {
  __m256 lo, hi;
};
struct Mask16 {
  __m256i lo, hi;
};

inline V16 Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void Store(float* p, V16 v) {
  _mm256_storeu_ps(p, v.lo);
  _mm256_storeu_ps(p + 8, v.hi);
}
inline V16 Set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline V16 Fma(V16 a, V16 b, V16 c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
inline V16 operator+(V16 a, V16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline V16 operator-(V16 a, V16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline V16 operator*(V16 a, V16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline V16 operator/(V16 a, V16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline V16 Min(V16 a, V16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline V16 Max(V16 a, V16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline __m256 RoundHalf(__m256 a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline V16 Round(V16 a) { return {RoundHalf(a.lo), RoundHalf(a.hi)}; }
inline __m256 PowerOfTwoHalf(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
inline V16 PowerOfTwo(V16 n) { return {PowerOfTwoHalf(n.lo), PowerOfTwoHalf(n.hi)}; }
inline Mask16 FirstLanes(int64_t count) {
  const __m256i c = _mm256_set1_epi32(static_cast<int>(count));
  return {_mm256_cmpgt_epi32(c, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
          _mm256_cmpgt_epi32(c, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))};
}
inline Mask16 Less(V16 a, V16 b) {
  return {_mm256_castps_si256(_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_castps_si256(_mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
inline V16 Select(Mask16 m, V16 yes, V16 no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_castsi256_ps(m.lo)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_castsi256_ps(m.hi))};
}
inline V16 LoadMasked(Mask16 m, const float* p) {
  return {_mm256_maskload_ps(p, m.lo), _mm256_maskload_ps(p + 8, m.hi)};
}
inline void StoreMasked(Mask16 m, float* p, V16 v) {
  _mm256_maskstore_ps(p, m.lo, v.lo);
  _mm256_maskstore_ps(p + 8, m.hi, v.hi);
}

// The vector that the GEMM's inner loop works on: single registers, because the compiler spills accumulators in pairs.
using Native = __m256;
constexpr int kNativeLanes = 8;
inline Native NativeZero() { return _mm256_setzero_ps(); }
inline Native NativeLoad(const float* p) { return _mm256_loadu_ps(p); }
inline Native NativeSet(float x) { return _mm256_set1_ps(x); }
inline Native NativeFma(Native a, Native b, Native c) { return _mm256_fmadd_ps(a, b, c); }
inline V16 Join(const Native* natives) { return {natives[0], natives[1]}; }

}  // namespace
}  // namespace attendant::kernels

#endif  // __AVX2__

#endif  // ATTENDANT_ENGINE_KERNELS_SIMD_AVX2_H_
