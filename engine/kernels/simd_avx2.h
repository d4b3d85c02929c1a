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
inline __m256 TimesPowerOfTwoHalf(__m256 p, __m256 shifted) {
  return _mm256_castsi256_ps(
      _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_castps_si256(shifted), 23)));
}
// p * 2^n, n the integer in the low bits of shifted (low_math.inc); p and the product are normal.
inline V16 TimesPowerOfTwo(V16 p, V16 shifted) {
  return {TimesPowerOfTwoHalf(p.lo, shifted.lo), TimesPowerOfTwoHalf(p.hi, shifted.hi)};
}
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

// Lanes folded in the scalar twin's tree.
inline float Sum(V16 v) {
  const __m256 by8 = _mm256_add_ps(v.lo, v.hi);
  const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
  const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}
inline float Maximum(V16 v) {
  const __m256 by8 = _mm256_max_ps(v.lo, v.hi);
  const __m128 by4 = _mm_max_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
  const __m128 by2 = _mm_max_ps(by4, _mm_movehl_ps(by4, by4));
  return _mm_cvtss_f32(_mm_max_ss(by2, _mm_movehdup_ps(by2)));
}

// Rounded to the nearest integer (ties to even); the caller keeps the values within the target's range.
inline void StoreInt16(int16_t* p, V16 v) {
  const __m256i packed = _mm256_packs_epi32(_mm256_cvtps_epi32(v.lo), _mm256_cvtps_epi32(v.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xD8));
}
inline void StoreUint8(uint8_t* p, V16 v) {
  const __m256i packed = _mm256_packs_epi32(_mm256_cvtps_epi32(v.lo), _mm256_cvtps_epi32(v.hi));
  const __m256i ordered = _mm256_permute4x64_epi64(packed, 0xD8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1)));
}
inline __m256i Int16PairsHalf(__m256 even, __m256 odd) {
  return _mm256_blend_epi16(_mm256_slli_epi32(_mm256_cvtps_epi32(odd), 16), _mm256_cvtps_epi32(even), 0x55);
}
// Sixteen pairs (even[i], odd[i]) of int16.
inline void StoreInt16Pairs(void* p, V16 even, V16 odd) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), Int16PairsHalf(even.lo, odd.lo));
  _mm256_storeu_si256(static_cast<__m256i*>(p) + 1, Int16PairsHalf(even.hi, odd.hi));
}
inline __m256i Bf16Half(__m256 v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7FC00000), nan), 16);
}
// To the nearest bf16, ties to even; NaN stays NaN.
inline void StoreBf16(uint16_t* p, V16 v) {
  const __m256i packed = _mm256_packus_epi32(Bf16Half(v.lo), Bf16Half(v.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xD8));
}

inline void Transpose8(const float* from, int64_t from_stride, int64_t rows, float* to, int64_t to_stride) {
  __m256 a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) a[i] = i < rows ? _mm256_loadu_ps(from + i * from_stride) : _mm256_setzero_ps();
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
    a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xEE);
    a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
    a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    _mm256_storeu_ps(to + c * to_stride, _mm256_permute2f128_ps(a[c], a[4 + c], 0x20));
    _mm256_storeu_ps(to + (c + 4) * to_stride, _mm256_permute2f128_ps(a[c], a[4 + c], 0x31));
  }
}
// to[column * to_stride + row] = from[row * from_stride + column] for 16 x 16; rows from `rows` on count as zero.
inline void Transpose16(const float* from, int64_t from_stride, int64_t rows, float* to, int64_t to_stride) {
  for (int64_t r = 0; r < 16; r += 8) {
    for (int64_t c = 0; c < 16; c += 8) {
      Transpose8(from + r * from_stride + c, from_stride, rows - r, to + c * to_stride + r, to_stride);
    }
  }
}

// The vector that the GEMM's inner loop works on: single registers, because the compiler spills accumulators in pairs.
using Native = __m256;
constexpr int kNativeLanes = 8;
inline Native NativeZero() { return _mm256_setzero_ps(); }
inline Native NativeLoad(const float* p) { return _mm256_loadu_ps(p); }
inline Native NativeSet(float x) { return _mm256_set1_ps(x); }
inline Native NativeFma(Native a, Native b, Native c) { return _mm256_fmadd_ps(a, b, c); }
inline V16 Join(const Native* natives) { return {natives[0], natives[1]}; }

// The same for 32-bit lanes of element groups (low_gemm.inc).
using NativeInt = __m256i;
inline NativeInt NativeIntZero() { return _mm256_setzero_si256(); }
inline NativeInt NativeIntLoad(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline NativeInt NativeIntSet(int32_t x) { return _mm256_set1_epi32(x); }
inline V16 JoinInt(const NativeInt* natives) {
  return {_mm256_cvtepi32_ps(natives[0]), _mm256_cvtepi32_ps(natives[1])};
}

// Sums of element groups without VNNI: bytes are widened to int16, whose products cannot overflow.
struct PlainInt8 {
  struct Pair {
    __m256i even, odd;
  };
  using A = Pair;
  using B = Pair;
  static A SpreadA(NativeInt a) { return {_mm256_and_si256(a, _mm256_set1_epi16(0xFF)), _mm256_srli_epi16(a, 8)}; }
  static B SpreadB(NativeInt b) { return {_mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8), _mm256_srai_epi16(b, 8)}; }
  static NativeInt Dot(A a, B b, NativeInt sum) {
    return _mm256_add_epi32(sum, _mm256_add_epi32(_mm256_madd_epi16(a.even, b.even), _mm256_madd_epi16(a.odd, b.odd)));
  }
};
inline NativeInt PlainDotInt16(NativeInt a, NativeInt b, NativeInt sum) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}
// The lower and the upper bf16 of each lane as floats.
inline Native LowerBf16(NativeInt b) { return _mm256_castsi256_ps(_mm256_slli_epi32(b, 16)); }
inline Native UpperBf16(NativeInt b) {
  return _mm256_castsi256_ps(_mm256_and_si256(b, _mm256_set1_epi32(static_cast<int>(0xFFFF0000u))));
}

}  // namespace
}  // namespace attendant::kernels

#endif  // __AVX2__

#endif  // ATTENDANT_ENGINE_KERNELS_SIMD_AVX2_H_
