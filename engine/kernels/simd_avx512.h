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
// p * 2^n, n the integer in the low bits of shifted (low_math.inc); p and the product are normal.
inline V16 TimesPowerOfTwo(V16 p, V16 shifted) {
  return {_mm512_castsi512_ps(
      _mm512_add_epi32(_mm512_castps_si512(p.v), _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23)))};
}
inline Mask16 FirstLanes(int64_t count) {
  return {static_cast<__mmask16>(count >= 16 ? 0xFFFF : count > 0 ? (1u << count) - 1 : 0)};
}
inline Mask16 Less(V16 a, V16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline V16 Select(Mask16 m, V16 yes, V16 no) { return {_mm512_mask_blend_ps(m.m, no.v, yes.v)}; }
inline V16 LoadMasked(Mask16 m, const float* p) { return {_mm512_maskz_loadu_ps(m.m, p)}; }
inline void StoreMasked(Mask16 m, float* p, V16 v) { _mm512_mask_storeu_ps(p, m.m, v.v); }

// Lanes folded in the scalar twin's tree.
inline float Sum(V16 v) {
  const __m256 by8 = _mm256_add_ps(_mm512_castps512_ps256(v.v), _mm512_extractf32x8_ps(v.v, 1));
  const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
  const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}
inline float Maximum(V16 v) {
  const __m256 by8 = _mm256_max_ps(_mm512_castps512_ps256(v.v), _mm512_extractf32x8_ps(v.v, 1));
  const __m128 by4 = _mm_max_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
  const __m128 by2 = _mm_max_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_max_ss(by2, _mm_movehdup_ps(by2)));
}

// Rounded to the nearest integer (ties to even); the caller keeps the values within the target's range.
inline void StoreUint8(uint8_t* p, V16 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v.v)));
}
inline void StoreInt16(int16_t* p, V16 v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v.v)));
}
// Sixteen pairs (even[i], odd[i]) of int16.
inline void StoreInt16Pairs(void* p, V16 even, V16 odd) {
  _mm512_storeu_si512(p, _mm512_mask_mov_epi16(_mm512_slli_epi32(_mm512_cvtps_epi32(odd.v), 16), 0x55555555,
                                               _mm512_cvtps_epi32(even.v)));
}
// To the nearest bf16, ties to even; NaN stays NaN.
inline void StoreBf16(uint16_t* p, V16 v) {
  const __m512i bits = _mm512_castps_si512(v.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
  const __mmask16 nan = _mm512_cmp_ps_mask(v.v, v.v, _CMP_UNORD_Q);
  const __m512i kept = _mm512_mask_mov_epi32(rounded, nan, _mm512_set1_epi32(0x7FC00000));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16)));
}

// to[column * to_stride + row] = from[row * from_stride + column] for 16 x 16; rows from `rows` on count as zero.
inline void Transpose16(const float* from, int64_t from_stride, int64_t rows, float* to, int64_t to_stride) {
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = i < rows ? _mm512_loadu_ps(from + i * from_stride) : _mm512_setzero_ps();
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    a[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44);
    a[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xEE);
    a[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44);
    a[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
  }
  // a[4 q + c] holds, in its four quarters, the columns c, c + 4, c + 8, c + 12 of the rows 4 q to 4 q + 3.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 even_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88);
    const __m512 odd_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xDD);
    const __m512 even_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
    const __m512 odd_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xDD);
    _mm512_storeu_ps(to + c * to_stride, _mm512_shuffle_f32x4(even_low, even_high, 0x88));
    _mm512_storeu_ps(to + (c + 4) * to_stride, _mm512_shuffle_f32x4(odd_low, odd_high, 0x88));
    _mm512_storeu_ps(to + (c + 8) * to_stride, _mm512_shuffle_f32x4(even_low, even_high, 0xDD));
    _mm512_storeu_ps(to + (c + 12) * to_stride, _mm512_shuffle_f32x4(odd_low, odd_high, 0xDD));
  }
}

// The vector that the GEMM's inner loop works on.
using Native = __m512;
constexpr int kNativeLanes = 16;
inline Native NativeZero() { return _mm512_setzero_ps(); }
inline Native NativeLoad(const float* p) { return _mm512_loadu_ps(p); }
inline Native NativeSet(float x) { return _mm512_set1_ps(x); }
inline Native NativeFma(Native a, Native b, Native c) { return _mm512_fmadd_ps(a, b, c); }
inline V16 Join(const Native* natives) { return {natives[0]}; }

// The same for 32-bit lanes of element groups (low_gemm.inc).
using NativeInt = __m512i;
inline NativeInt NativeIntZero() { return _mm512_setzero_si512(); }
inline NativeInt NativeIntLoad(const void* p) { return _mm512_loadu_si512(p); }
inline NativeInt NativeIntSet(int32_t x) { return _mm512_set1_epi32(x); }
inline V16 JoinInt(const NativeInt* natives) { return {_mm512_cvtepi32_ps(natives[0])}; }

// Sums of element groups without VNNI: bytes are widened to int16, whose products cannot overflow.
struct PlainInt8 {
  struct Pair {
    __m512i even, odd;
  };
  using A = Pair;
  using B = Pair;
  static A SpreadA(NativeInt a) { return {_mm512_and_si512(a, _mm512_set1_epi16(0xFF)), _mm512_srli_epi16(a, 8)}; }
  static B SpreadB(NativeInt b) { return {_mm512_srai_epi16(_mm512_slli_epi16(b, 8), 8), _mm512_srai_epi16(b, 8)}; }
  static NativeInt Dot(A a, B b, NativeInt sum) {
    return _mm512_add_epi32(sum, _mm512_add_epi32(_mm512_madd_epi16(a.even, b.even), _mm512_madd_epi16(a.odd, b.odd)));
  }
};
inline NativeInt PlainDotInt16(NativeInt a, NativeInt b, NativeInt sum) {
  return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
}
// The lower and the upper bf16 of each lane as floats.
inline Native LowerBf16(NativeInt b) { return _mm512_castsi512_ps(_mm512_slli_epi32(b, 16)); }
inline Native UpperBf16(NativeInt b) {
  return _mm512_castsi512_ps(_mm512_and_si512(b, _mm512_set1_epi32(static_cast<int>(0xFFFF0000u))));
}

}  // namespace
}  // namespace attendant::kernels

#endif  // __AVX512F__

#endif  // ATTENDANT_ENGINE_KERNELS_SIMD_AVX512_H_
