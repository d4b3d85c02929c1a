#include "engine/model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

using testing::HasSubstr;

std::string File(const std::string& header, size_t data_bytes) {
  uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + std::string(data_bytes, '\x3f');
}

std::string ErrorOf(const std::string& bytes) {
  const auto tensors = SafetensorsFile::Parse(bytes, "f.safetensors");
  return tensors.ok() ? "" : std::string(tensors.status().message());
}

TEST(Safetensors, ReadsNamesTypesAndShapes) {
  const std::string bytes = File(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"empty":{"dtype":"I64","shape":[0,5],"data_offsets":[26,26]}})",
      26);
  const auto tensors = SafetensorsFile::Parse(bytes, "f");
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_EQ(tensors->at("a").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(tensors->at("a").dtype, DType::kF32);
  EXPECT_EQ(tensors->at("b").dtype, DType::kBF16);
  EXPECT_EQ(tensors->at("b").size_bytes, 2u);
  EXPECT_EQ(tensors->at("empty").dtype, DType::kOther);
}

TEST(Safetensors, RefusesHostileHeadersAndSaysWhy) {
  const auto one = [](const std::string& entry) { return R"({"a":)" + entry + "}"; };
  EXPECT_THAT(ErrorOf("abc"), HasSubstr("3 bytes"));
  EXPECT_THAT(ErrorOf(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8)), HasSubstr("header of"));
  EXPECT_THAT(ErrorOf(File("{", 0)), HasSubstr("not valid JSON"));
  EXPECT_THAT(ErrorOf(File("[]", 0)), HasSubstr("not a JSON object"));
  EXPECT_THAT(ErrorOf(File(std::string(100000, '['), 0)), HasSubstr("nested deeper"));
  EXPECT_THAT(ErrorOf(File(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,9]})"), 8)), HasSubstr("truncated"));
  EXPECT_THAT(ErrorOf(File(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), 8)), HasSubstr("outside"));
  EXPECT_THAT(ErrorOf(File(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), 8)), HasSubstr("need 12"));
  EXPECT_THAT(ErrorOf(File(one(R"({"dtype":"Q4","shape":[2],"data_offsets":[0,8]})"), 8)), HasSubstr("unknown dtype"));
  EXPECT_THAT(ErrorOf(File(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), 8)), HasSubstr("shape"));
  EXPECT_THAT(ErrorOf(File(one(R"({"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]})"), 0)),
              HasSubstr("overflows"));
  EXPECT_THAT(ErrorOf(File(one("7"), 8)), HasSubstr("expected {dtype"));
}

TEST(Safetensors, RefusesOverlapHolesAndLeftovers) {
  const auto two = [](const char* second) {
    return File(std::string(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":)") + second + "}", 16);
  };
  EXPECT_THAT(ErrorOf(two(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})")), HasSubstr("overlaps"));
  EXPECT_THAT(ErrorOf(two(R"({"dtype":"F32","shape":[1],"data_offsets":[12,16]})")), HasSubstr("hole"));
  EXPECT_THAT(ErrorOf(two(R"({"dtype":"F32","shape":[1],"data_offsets":[8,12]})")), HasSubstr("belong to no tensor"));
  EXPECT_EQ(ErrorOf(two(R"({"dtype":"F32","shape":[2],"data_offsets":[8,16]})")), "");
}

TEST(Safetensors, ATruncatedOrDamagedFileNeverCrashes) {
  std::ifstream in(ModelDir("tiny-mean") + "/model.safetensors", std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  ASSERT_EQ(ErrorOf(whole), "");
  for (const size_t size : {size_t{0}, size_t{7}, size_t{8}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    EXPECT_NE(ErrorOf(whole.substr(0, size)), "") << size;
  }
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = whole.substr(0, 6000);
    damaged[random() % 3000] = static_cast<char>(random());
    ErrorOf(damaged);
  }
}

TEST(Safetensors, AMissingFileIsNotFound) {
  EXPECT_EQ(SafetensorsFile::Open("/nonexistent/model.safetensors").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SafetensorsFile::Open("/").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attendant
