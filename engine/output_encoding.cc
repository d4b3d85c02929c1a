#include "engine/output_encoding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace attendant {
namespace {

static_assert(std::endian::native == std::endian::little, "the bytes of floats are written as they are");

constexpr uint8_t kSignBit = 0x80;  // flipping it takes 128 away from an unsigned byte and makes it a signed one

void AppendFloat16(std::span<const float> vector, std::string* out) {
  for (const float value : vector) {
    const uint16_t half = ToFloat16(value);
    out->push_back(static_cast<char>(half & 0xFF));
    out->push_back(static_cast<char>(half >> 8));
  }
}

void AppendScaled(std::span<const float> vector, const QuantizationRanges& ranges, uint8_t flip, std::string* out) {
  for (size_t i = 0; i < vector.size(); ++i) {
    const float step = (ranges.maximum[i] - ranges.minimum[i]) / 255.0f;
    const float level = std::floor((vector[i] - ranges.minimum[i]) / (step == 0.0f ? 1.0f : step));
    out->push_back(static_cast<char>(static_cast<uint8_t>(std::clamp(level, 0.0f, 255.0f)) ^ flip));
  }
}

void AppendBits(std::span<const float> vector, uint8_t flip, std::string* out) {
  for (size_t first = 0; first < vector.size(); first += 8) {
    uint8_t byte = 0;
    for (size_t bit = 0; bit < 8 && first + bit < vector.size(); ++bit) {
      if (vector[first + bit] > 0.0f) byte |= static_cast<uint8_t>(kSignBit >> bit);
    }
    out->push_back(static_cast<char>(byte ^ flip));
  }
}

void AppendVector(std::span<const float> vector, VectorEncoding encoding, const QuantizationRanges& ranges,
                  std::string* out) {
  switch (encoding) {
    case VectorEncoding::kFloat32:
      out->append(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
      return;
    case VectorEncoding::kFloat16:
      return AppendFloat16(vector, out);
    case VectorEncoding::kInt8:
      return AppendScaled(vector, ranges, kSignBit, out);
    case VectorEncoding::kUint8:
      return AppendScaled(vector, ranges, 0, out);
    case VectorEncoding::kBinary:
      return AppendBits(vector, kSignBit, out);
    case VectorEncoding::kUbinary:
      return AppendBits(vector, 0, out);
  }
}

}  // namespace

size_t EncodedBytes(VectorEncoding encoding, size_t dimension) {
  switch (encoding) {
    case VectorEncoding::kFloat32:
      return 4 * dimension;
    case VectorEncoding::kFloat16:
      return 2 * dimension;
    case VectorEncoding::kInt8:
    case VectorEncoding::kUint8:
      return dimension;
    case VectorEncoding::kBinary:
    case VectorEncoding::kUbinary:
      return (dimension + 7) / 8;
  }
  return 0;
}

void EncodeVectors(std::span<const float> vectors, size_t dimension, VectorEncoding encoding,
                   const QuantizationRanges& ranges, std::string* out) {
  if (dimension == 0) return;
  out->reserve(out->size() + vectors.size() / dimension * EncodedBytes(encoding, dimension));
  for (size_t at = 0; at + dimension <= vectors.size(); at += dimension) {
    AppendVector(vectors.subspan(at, dimension), encoding, ranges, out);
  }
}

QuantizationRanges RangesOf(std::span<const float> vectors, size_t dimension) {
  QuantizationRanges ranges;
  ranges.minimum.assign(vectors.begin(), vectors.begin() + static_cast<std::ptrdiff_t>(dimension));
  ranges.maximum = ranges.minimum;
  for (size_t at = dimension; at + dimension <= vectors.size(); at += dimension) {
    for (size_t i = 0; i < dimension; ++i) {
      ranges.minimum[i] = std::min(ranges.minimum[i], vectors[at + i]);
      ranges.maximum[i] = std::max(ranges.maximum[i], vectors[at + i]);
    }
  }
  return ranges;
}

// A half has 5 bits of exponent and 10 of fraction, a float 8 and 23. Rounding is done on the integers: what is cut off
// is compared with its half, and a carry out of the fraction goes into the exponent, which is what it should do.
uint16_t ToFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  const auto round = [](uint32_t number, uint32_t shift) {
    const uint32_t cut = number & ((1u << shift) - 1);
    const uint32_t half = 1u << (shift - 1);
    const uint32_t kept = number >> shift;
    return kept + (cut > half || (cut == half && (kept & 1) != 0) ? 1 : 0);
  };
  constexpr uint32_t kFloatInfinity = 0x7F800000;
  constexpr uint32_t kHalfInfinity = 0x7C00;
  constexpr uint32_t kSmallestNormal = 0x38800000;    // 2^-14
  constexpr uint32_t kRoundsToInfinity = 0x47800000;  // 2^16; what is just below it gets there by rounding
  constexpr uint32_t kRoundsToZero = 0x33000000;      // 2^-25, half of the smallest number: a tie, which goes to even
  uint32_t half = 0;
  if (magnitude > kFloatInfinity) {
    half = kHalfInfinity | 0x200;  // not a number
  } else if (magnitude >= kRoundsToInfinity) {
    half = kHalfInfinity;
  } else if (magnitude >= kSmallestNormal) {
    half = round(magnitude - 0x38000000, 13);  // the exponents count from 127 and from 15
  } else if (magnitude > kRoundsToZero) {
    const uint32_t exponent = magnitude >> 23;
    half = round((magnitude & 0x7FFFFF) | 0x800000, 126 - exponent);
  }
  return static_cast<uint16_t>(sign | half);
}

}  // namespace attendant
