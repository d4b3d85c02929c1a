// Finds the tensors of a model in its safetensors file and checks each: name, dtype, shape.
//
// Knows the spellings in the wild: a prefix ("bert." or none), LayerNorm.{weight,bias} or {gamma,beta}. Tensors that
// nobody asks for (pooler, position_ids, heads) are ignored.
#ifndef ATTENDANT_ENGINE_MODEL_TENSOR_SOURCE_H_
#define ATTENDANT_ENGINE_MODEL_TENSOR_SOURCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/model/safetensors.h"

namespace attendant {

class TensorSource {
 public:
  // file must outlive this. anchor: a tensor that must exist under one of the prefixes, which so gives itself away.
  TensorSource(const SafetensorsFile& file, const std::string& anchor);

  // The tensor `name` (without prefix) of this shape in F32, F16 or BF16. On failure the first error is kept in
  // status() and an empty view is returned, so that a loader asks for everything and checks once.
  const TensorView& Require(const std::string& name, const std::vector<int64_t>& shape);
  const absl::Status& status() const { return status_; }
  const SafetensorsFile& file() const { return file_; }

 private:
  const TensorView* Find(const std::string& name) const;
  const TensorView& Fail(const std::string& message);

  const SafetensorsFile& file_;
  std::string prefix_;
  absl::Status status_;
};

// Elements [begin, begin + count) of a floating-point tensor as fp32.
void ReadFloats(const TensorView& tensor, int64_t begin, int64_t count, float* out);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_TENSOR_SOURCE_H_
