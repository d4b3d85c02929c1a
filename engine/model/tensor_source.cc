#include "engine/model/tensor_source.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace attendant {
namespace {

constexpr const char* kPrefixes[] = {"", "bert.", "model.", "encoder_model."};

std::string ShapeText(const std::vector<int64_t>& shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

// The older spelling of a LayerNorm's parameters, or "".
std::string OldName(const std::string& name) {
  if (name.ends_with("LayerNorm.weight")) return name.substr(0, name.size() - 6) + "gamma";
  if (name.ends_with("LayerNorm.bias")) return name.substr(0, name.size() - 4) + "beta";
  return "";
}

// IEEE 754 binary16 to binary32, exact: subnormals by scaling, infinities and NaN by their exponent.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t mantissa = half & 0x3FF;
  uint32_t bits = 0;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    std::memcpy(&bits, &magnitude, sizeof(bits));
    bits |= sign;
  } else if (exponent == 31) {
    bits = sign | 0x7F800000 | (mantissa << 13);
  } else {
    bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
  }
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

}  // namespace

TensorSource::TensorSource(const SafetensorsFile& file, const std::string& anchor) : file_(file) {
  for (const char* prefix : kPrefixes) {
    prefix_ = prefix;
    if (Find(anchor) != nullptr) return;
  }
  prefix_ = "";
  Fail(absl::StrCat("no tensor \"", anchor, "\", with or without the prefix \"bert.\""));
}

const TensorView* TensorSource::Find(const std::string& name) const {
  if (const TensorView* tensor = file_.Find(prefix_ + name)) return tensor;
  const std::string old = OldName(name);
  return old.empty() ? nullptr : file_.Find(prefix_ + old);
}

const TensorView& TensorSource::Fail(const std::string& message) {
  static const TensorView kNone;
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(file_.path(), ": ", message));
  return kNone;
}

const TensorView& TensorSource::Require(const std::string& name, const std::vector<int64_t>& shape) {
  const TensorView* tensor = Find(name);
  if (tensor == nullptr) {
    return Fail(
        absl::StrCat("tensor \"", prefix_, name, "\" is missing; expected F32, F16 or BF16 ", ShapeText(shape)));
  }
  if (tensor->dtype == DType::kOther || tensor->shape != shape) {
    return Fail(absl::StrCat("tensor \"", prefix_, name, "\": expected F32, F16 or BF16 ", ShapeText(shape), ", found ",
                             tensor->dtype_name, " ", ShapeText(tensor->shape)));
  }
  return *tensor;
}

void ReadFloats(const TensorView& tensor, int64_t begin, int64_t count, float* out) {
  if (tensor.dtype == DType::kF32) {
    std::memcpy(out, tensor.data + begin * 4, static_cast<size_t>(count) * 4);
    return;
  }
  const std::byte* in = tensor.data + begin * 2;
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits;
    std::memcpy(&bits, in + i * 2, sizeof(bits));
    if (tensor.dtype == DType::kF16) {
      out[i] = HalfToFloat(bits);
    } else {
      const uint32_t wide = static_cast<uint32_t>(bits) << 16;
      std::memcpy(out + i, &wide, sizeof(wide));
    }
  }
}

}  // namespace attendant
