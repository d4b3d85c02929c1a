// Sixteen floats as plain C++: the twin that the vector versions are tested against, and the fallback.
// Included by one translation unit only.
#ifndef ATTENDANT_ENGINE_KERNELS_SIMD_SCALAR_H_
#define ATTENDANT_ENGINE_KERNELS_SIMD_SCALAR_H_

#include <cstdint>
#include <cstring>

namespace attendant::kernels {
namespace {

constexpr const char* kIsaName = "scalar";
// A register tile of C.
constexpr int kTileRows = 4;
constexpr int kTileColumns = 16;

struct V16 {
  float lane[16];
};
struct Mask16 {
  bool lane[16];
};

template <typename F>
inline V16 ForLanes(F f) {
  V16 r;
  for (int i = 0; i < 16; ++i) r.lane[i] = f(i);
  return r;
}

inline V16 Load(const float* p) {
  V16 r;
  std::memcpy(r.lane, p, sizeof(r.lane));
  return r;
}
inline void Store(float* p, const V16& v) { std::memcpy(p, v.lane, sizeof(v.lane)); }
inline V16 Set(float x) {
  return ForLanes([x](int) { return x; });
}
inline V16 Fma(const V16& a, const V16& b, const V16& c) {
  return ForLanes([&](int i) { return __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]); });
}
inline V16 operator+(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline V16 operator-(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline V16 operator*(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline V16 operator/(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.lane[i] / b.lane[i]; });
}
// As the x86 instructions: the second operand when one of the two is NaN.
inline V16 Min(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline V16 Max(const V16& a, const V16& b) {
  return ForLanes([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline V16 Round(const V16& a) {
  return ForLanes([&](int i) { return __builtin_rintf(a.lane[i]); });
}
// 2^n for integral n in [-126, 127].
inline V16 PowerOfTwo(const V16& n) {
  return ForLanes([&](int i) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n.lane[i]) + 127) << 23;
    float f;
    std::memcpy(&f, &bits, sizeof(f));
    return f;
  });
}
// p * 2^n, n the integer in the low bits of shifted (low_math.inc); p and the product are normal.
inline V16 TimesPowerOfTwo(const V16& p, const V16& shifted) {
  return ForLanes([&](int i) {
    uint32_t bits, n;
    std::memcpy(&bits, &p.lane[i], sizeof(bits));
    std::memcpy(&n, &shifted.lane[i], sizeof(n));
    bits += n << 23;
    float f;
    std::memcpy(&f, &bits, sizeof(f));
    return f;
  });
}
inline Mask16 FirstLanes(int64_t count) {
  Mask16 m;
  for (int i = 0; i < 16; ++i) m.lane[i] = i < count;
  return m;
}
inline Mask16 Less(const V16& a, const V16& b) {
  Mask16 m;
  for (int i = 0; i < 16; ++i) m.lane[i] = a.lane[i] < b.lane[i];
  return m;
}
inline V16 Select(const Mask16& m, const V16& yes, const V16& no) {
  return ForLanes([&](int i) { return m.lane[i] ? yes.lane[i] : no.lane[i]; });
}
inline V16 LoadMasked(const Mask16& m, const float* p) {
  return ForLanes([&](int i) { return m.lane[i] ? p[i] : 0.0f; });
}
inline void StoreMasked(const Mask16& m, float* p, const V16& v) {
  for (int i = 0; i < 16; ++i) {
    if (m.lane[i]) p[i] = v.lane[i];
  }
}

// Lanes folded in a fixed tree: 16 -> 8 -> 4 -> 2 -> 1, lane i with lane i + half.
inline float Sum(V16 v) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) v.lane[i] = v.lane[i] + v.lane[i + half];
  }
  return v.lane[0];
}
inline float Maximum(V16 v) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) v.lane[i] = v.lane[i] > v.lane[i + half] ? v.lane[i] : v.lane[i + half];
  }
  return v.lane[0];
}

// Rounded to the nearest integer (ties to even); the caller keeps the values within the target's range.
inline void StoreUint8(uint8_t* p, const V16& v) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<uint8_t>(__builtin_rintf(v.lane[i]));
}
inline void StoreInt16(int16_t* p, const V16& v) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int16_t>(__builtin_rintf(v.lane[i]));
}
// Sixteen pairs (even[i], odd[i]) of int16.
inline void StoreInt16Pairs(void* p, const V16& even, const V16& odd) {
  for (int i = 0; i < 16; ++i) {
    const int16_t pair[2] = {static_cast<int16_t>(__builtin_rintf(even.lane[i])),
                             static_cast<int16_t>(__builtin_rintf(odd.lane[i]))};
    std::memcpy(static_cast<char*>(p) + i * sizeof(pair), pair, sizeof(pair));
  }
}
// To the nearest bf16, ties to even; NaN stays NaN.
inline void StoreBf16(uint16_t* p, const V16& v) {
  for (int i = 0; i < 16; ++i) {
    uint32_t bits;
    std::memcpy(&bits, &v.lane[i], sizeof(bits));
    bits = v.lane[i] != v.lane[i] ? 0x7FC00000u : bits + ((bits >> 16 & 1) + 0x7FFF);
    p[i] = static_cast<uint16_t>(bits >> 16);
  }
}

// to[column * to_stride + row] = from[row * from_stride + column] for 16 x 16; rows from `rows` on count as zero.
inline void Transpose16(const float* from, int64_t from_stride, int64_t rows, float* to, int64_t to_stride) {
  for (int64_t r = 0; r < 16; ++r) {
    for (int64_t c = 0; c < 16; ++c) to[c * to_stride + r] = r < rows ? from[r * from_stride + c] : 0.0f;
  }
}

// The vector that the GEMM's inner loop works on.
using Native = V16;
constexpr int kNativeLanes = 16;
inline Native NativeZero() { return Set(0.0f); }
inline Native NativeLoad(const float* p) { return Load(p); }
inline Native NativeSet(float x) { return Set(x); }
inline Native NativeFma(const Native& a, const Native& b, const Native& c) { return Fma(a, b, c); }
inline V16 Join(const Native* natives) { return natives[0]; }

// The same for 32-bit lanes of element groups (low_gemm.inc).
struct NativeInt {
  int32_t lane[16];
};
inline NativeInt NativeIntSet(int32_t x) {
  NativeInt r;
  for (int32_t& lane : r.lane) lane = x;
  return r;
}
inline NativeInt NativeIntZero() { return NativeIntSet(0); }
inline NativeInt NativeIntLoad(const void* p) {
  NativeInt r;
  std::memcpy(r.lane, p, sizeof(r.lane));
  return r;
}
inline V16 JoinInt(const NativeInt* natives) {
  return ForLanes([&](int i) { return static_cast<float>(natives[0].lane[i]); });
}

// Sums of element groups.
struct PlainInt8 {
  using A = NativeInt;
  using B = NativeInt;
  static const A& SpreadA(const NativeInt& a) { return a; }
  static const B& SpreadB(const NativeInt& b) { return b; }
  static NativeInt Dot(const A& a, const B& b, const NativeInt& sum) {
    NativeInt r;
    for (int i = 0; i < 16; ++i) {
      uint8_t x[4];
      int8_t y[4];
      std::memcpy(x, &a.lane[i], 4);
      std::memcpy(y, &b.lane[i], 4);
      r.lane[i] = sum.lane[i] + (x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3]);
    }
    return r;
  }
};
inline NativeInt PlainDotInt16(const NativeInt& a, const NativeInt& b, const NativeInt& sum) {
  NativeInt r;
  for (int i = 0; i < 16; ++i) {
    int16_t x[2], y[2];
    std::memcpy(x, &a.lane[i], 4);
    std::memcpy(y, &b.lane[i], 4);
    r.lane[i] = sum.lane[i] + (x[0] * y[0] + x[1] * y[1]);
  }
  return r;
}
// The lower and the upper bf16 of each lane as floats.
inline Native LowerBf16(const NativeInt& b) {
  return ForLanes([&](int i) {
    const uint32_t bits = static_cast<uint32_t>(b.lane[i]) << 16;
    float f;
    std::memcpy(&f, &bits, sizeof(f));
    return f;
  });
}
inline Native UpperBf16(const NativeInt& b) {
  return ForLanes([&](int i) {
    const uint32_t bits = static_cast<uint32_t>(b.lane[i]) & 0xFFFF0000u;
    float f;
    std::memcpy(&f, &bits, sizeof(f));
    return f;
  });
}

}  // namespace
}  // namespace attendant::kernels

#endif  // ATTENDANT_ENGINE_KERNELS_SIMD_SCALAR_H_
