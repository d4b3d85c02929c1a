// A memory-mapped safetensors file: names to views of tensors. Nothing is copied.
//
// Format: 8 bytes little-endian header size; the header, a JSON object name -> {dtype, shape, data_offsets: [begin,
// end]} (and "__metadata__"); then the data. Source: the safetensors format description, huggingface/safetensors
// README. The whole header is checked when the file is opened, so that a view can never point outside the file.
// Thread-safety: immutable after Open.
#ifndef ATTENDANT_ENGINE_MODEL_SAFETENSORS_H_
#define ATTENDANT_ENGINE_MODEL_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/mapped_file.h"

namespace attendant {

enum class DType { kF32, kF16, kBF16, kOther };

struct TensorView {
  DType dtype = DType::kOther;
  std::string dtype_name;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;  // little-endian, row-major
  size_t size_bytes = 0;
};

class SafetensorsFile {
 public:
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Open(const std::string& path);
  // The checks alone: bytes of a whole file, views into them. name is for errors. Fuzzed.
  static absl::StatusOr<std::map<std::string, TensorView, std::less<>>> Parse(std::string_view bytes,
                                                                              const std::string& name);
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& path() const { return path_; }
  // Null when there is none of that name.
  const TensorView* Find(std::string_view name) const;
  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }
  std::string_view bytes() const { return file_->bytes(); }
  // OK, or INTERNAL: the file was cut short after it was opened, and what was read since is not to be trusted.
  absl::Status Condition() const;

  // Tells the kernel that these pages are not needed in memory for now. They come back when touched.
  void Release(const TensorView& tensor) const;

 private:
  SafetensorsFile(std::string path, std::unique_ptr<MappedFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  std::unique_ptr<MappedFile> file_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_SAFETENSORS_H_
