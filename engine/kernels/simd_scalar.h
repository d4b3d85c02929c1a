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

// The vector that the GEMM's inner loop works on.
using Native = V16;
constexpr int kNativeLanes = 16;
inline Native NativeZero() { return Set(0.0f); }
inline Native NativeLoad(const float* p) { return Load(p); }
inline Native NativeSet(float x) { return Set(x); }
inline Native NativeFma(const Native& a, const Native& b, const Native& c) { return Fma(a, b, c); }
inline V16 Join(const Native* natives) { return natives[0]; }

}  // namespace
}  // namespace attendant::kernels

#endif  // ATTENDANT_ENGINE_KERNELS_SIMD_SCALAR_H_
