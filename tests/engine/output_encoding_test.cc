// Against what sentence-transformers and NumPy made of the same values (tests/parity/make_encodings.py).
#include "engine/output_encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"

namespace attendant {
namespace {

using testing::ElementsAre;

class OutputEncodingTest : public testing::Test {
 protected:
  OutputEncodingTest() {
    std::ifstream file(ATTENDANT_TESTDATA "/encodings.json");
    golden_ = nlohmann::json::parse(file);
    dimension_ = golden_["dimension"].get<size_t>();
    vectors_ = Floats("vectors");
    ranges_ = {Floats("minimum"), Floats("maximum")};
  }

  static std::string Bytes(const nlohmann::json& hex) { return absl::HexStringToBytes(hex.get<std::string>()); }
  std::vector<float> Floats(const char* key) const {
    const std::string bytes = Bytes(golden_[key]);
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  std::string Encode(VectorEncoding encoding) const {
    std::string bytes;
    EncodeVectors(vectors_, dimension_, encoding, ranges_, &bytes);
    return bytes;
  }

  nlohmann::json golden_;
  size_t dimension_ = 0;
  std::vector<float> vectors_;
  QuantizationRanges ranges_;
};

TEST_F(OutputEncodingTest, BytesAndBitsAreThoseOfSentenceTransformers) {
  ASSERT_GT(vectors_.size(), 40 * dimension_);
  EXPECT_EQ(Encode(VectorEncoding::kInt8), Bytes(golden_["expected"]["int8"]));
  EXPECT_EQ(Encode(VectorEncoding::kUint8), Bytes(golden_["expected"]["uint8"]));
  EXPECT_EQ(Encode(VectorEncoding::kBinary), Bytes(golden_["expected"]["binary"]));
  EXPECT_EQ(Encode(VectorEncoding::kUbinary), Bytes(golden_["expected"]["ubinary"]));
}

TEST_F(OutputEncodingTest, RangesAreThoseOfTheCalibrationVectors) {
  const size_t count = golden_["calibration_vectors"].get<size_t>() * dimension_;
  ranges_ = RangesOf(std::span(vectors_).first(count), dimension_);
  EXPECT_EQ(Encode(VectorEncoding::kUint8), Bytes(golden_["calibrated_uint8"]));
}

TEST_F(OutputEncodingTest, HalvesAreNumPys) {
  const std::vector<float> floats = Floats("floats");
  const std::string expected = Bytes(golden_["halves"]);
  ASSERT_EQ(expected.size(), 2 * floats.size());
  size_t different = 0;
  for (size_t i = 0; i < floats.size(); ++i) {
    uint16_t want = 0;
    std::memcpy(&want, expected.data() + 2 * i, sizeof(want));
    const uint16_t got = ToFloat16(floats[i]);
    if (got != want && ++different < 5) ADD_FAILURE() << floats[i] << ": " << got << ", not " << want;
  }
  EXPECT_EQ(different, 0u);
  EXPECT_EQ(ToFloat16(std::numeric_limits<float>::quiet_NaN()) & 0x7E00, 0x7E00);
}

TEST_F(OutputEncodingTest, SizesAreWhatIsWritten) {
  for (const VectorEncoding encoding : {VectorEncoding::kFloat32, VectorEncoding::kFloat16, VectorEncoding::kInt8,
                                        VectorEncoding::kUint8, VectorEncoding::kBinary, VectorEncoding::kUbinary}) {
    EXPECT_EQ(Encode(encoding).size(), vectors_.size() / dimension_ * EncodedBytes(encoding, dimension_));
  }
  EXPECT_EQ(std::memcmp(Encode(VectorEncoding::kFloat32).data(), vectors_.data(), vectors_.size() * sizeof(float)), 0);
}

// No vector's bytes depend on those it is encoded with.
TEST_F(OutputEncodingTest, EachVectorIsEncodedByItself) {
  for (const VectorEncoding encoding : {VectorEncoding::kFloat16, VectorEncoding::kInt8, VectorEncoding::kUbinary}) {
    std::string one_by_one;
    for (size_t at = 0; at < vectors_.size(); at += dimension_) {
      EncodeVectors(std::span(vectors_).subspan(at, dimension_), dimension_, encoding, ranges_, &one_by_one);
    }
    EXPECT_EQ(one_by_one, Encode(encoding));
  }
}

TEST_F(OutputEncodingTest, BitsBeginAtTheHighest) {
  const std::vector<float> vector = {1, -1, 0, 2, -0.0f, 1e-30f, -3, 4, 5};
  std::string bytes;
  EncodeVectors(vector, vector.size(), VectorEncoding::kUbinary, {}, &bytes);
  EXPECT_THAT(bytes, ElementsAre(static_cast<char>(0b10010101), static_cast<char>(0b10000000)));
}

}  // namespace
}  // namespace attendant
