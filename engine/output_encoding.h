// Vectors as bytes: half precision, one byte or one bit per value, value for value as NumPy and sentence-transformers'
// quantize_embeddings make them. Numbers of more than one byte are little-endian.
//
//   float16        rounded to the nearest, ties to even; beyond its range infinite
//   uint8          floor((x - minimum) / ((maximum - minimum) / 255)), clipped to 0..255; a range of no width counts as
//                  255 wide; all in float32
//   int8           the same minus 128
//   ubinary        x > 0, eight values to a byte, the first in the highest bit, the last byte filled with zeros
//   binary         the same minus 128, as int8
//
// Ranges come from outside and belong to a model or a request, never to the vectors at hand: the bytes of one vector
// must not depend on its neighbours. Thread-safety: free functions without state.
#ifndef ATTENDANT_ENGINE_OUTPUT_ENCODING_H_
#define ATTENDANT_ENGINE_OUTPUT_ENCODING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace attendant {

enum class VectorEncoding { kFloat32, kFloat16, kInt8, kUint8, kBinary, kUbinary };

// One minimum and maximum per value of a vector.
struct QuantizationRanges {
  std::vector<float> minimum;
  std::vector<float> maximum;
};

// Does it need ranges?
inline bool IsScaled(VectorEncoding encoding) {
  return encoding == VectorEncoding::kInt8 || encoding == VectorEncoding::kUint8;
}

size_t EncodedBytes(VectorEncoding encoding, size_t dimension);

// Appends the bytes of vectors of this dimension, one after another, each beginning at a byte. ranges: of that
// dimension, for kInt8 and kUint8 only.
void EncodeVectors(std::span<const float> vectors, size_t dimension, VectorEncoding encoding,
                   const QuantizationRanges& ranges, std::string* out);

// Over at least one vector of this dimension.
QuantizationRanges RangesOf(std::span<const float> vectors, size_t dimension);

// IEEE 754 binary16.
uint16_t ToFloat16(float value);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_OUTPUT_ENCODING_H_
