// Any bytes as a safetensors file: an error, or views that lie inside the file and do not overlap.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/model/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tensors = attendant::SafetensorsFile::Parse(bytes, "fuzz");
  if (!tensors.ok()) return 0;
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  size_t total = 0;
  for (const auto& [name, tensor] : *tensors) {
    if (tensor.data < begin || tensor.data + tensor.size_bytes > begin + size) std::abort();
    total += tensor.size_bytes;
  }
  if (total > size) std::abort();
  return 0;
}
