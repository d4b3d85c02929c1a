#include "engine/model/safetensors.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "engine/model/json_file.h"

namespace attendant {
namespace {

// The limit of the reference implementation.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

using TensorMap = std::map<std::string, TensorView, std::less<>>;

struct DTypeSize {
  const char* name;
  size_t bytes;
  DType dtype;
};
constexpr DTypeSize kDTypes[] = {
    {"F32", 4, DType::kF32},    {"F16", 2, DType::kF16},       {"BF16", 2, DType::kBF16},    {"F64", 8, DType::kOther},
    {"I64", 8, DType::kOther},  {"I32", 4, DType::kOther},     {"I16", 2, DType::kOther},    {"I8", 1, DType::kOther},
    {"U64", 8, DType::kOther},  {"U32", 4, DType::kOther},     {"U16", 2, DType::kOther},    {"U8", 1, DType::kOther},
    {"BOOL", 1, DType::kOther}, {"F8_E5M2", 1, DType::kOther}, {"F8_E4M3", 1, DType::kOther}};

const DTypeSize* FindDType(const std::string& name) {
  for (const DTypeSize& d : kDTypes) {
    if (name == d.name) return &d;
  }
  return nullptr;
}

// Product of the shape and the element size; nothing when it overflows or the shape is not one.
std::optional<uint64_t> SizeInBytes(const nlohmann::json& shape, size_t element, std::vector<int64_t>& dims) {
  uint64_t size = element;
  for (const nlohmann::json& dim : shape) {
    if (!dim.is_number_unsigned()) return std::nullopt;
    const uint64_t d = dim.get<uint64_t>();
    if (d > (uint64_t{1} << 40) || __builtin_mul_overflow(size, d, &size)) return std::nullopt;
    dims.push_back(static_cast<int64_t>(d));
  }
  return size;
}

absl::StatusOr<TensorView> ReadEntry(const nlohmann::json& entry, std::string_view data) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") ||
      !entry["shape"].is_array() || !entry.contains("data_offsets") || !entry["data_offsets"].is_array() ||
      entry["data_offsets"].size() != 2 || !entry["data_offsets"][0].is_number_unsigned() ||
      !entry["data_offsets"][1].is_number_unsigned()) {
    return absl::InvalidArgumentError("expected {dtype, shape, data_offsets: [begin, end]}");
  }
  TensorView view;
  view.dtype_name = entry["dtype"].get<std::string>();
  const DTypeSize* dtype = FindDType(view.dtype_name);
  if (dtype == nullptr) return absl::InvalidArgumentError(absl::StrCat("unknown dtype \"", view.dtype_name, "\""));
  view.dtype = dtype->dtype;
  const std::optional<uint64_t> size = SizeInBytes(entry["shape"], dtype->bytes, view.shape);
  if (!size) return absl::InvalidArgumentError("shape is not a list of sizes, or overflows");
  const uint64_t begin = entry["data_offsets"][0].get<uint64_t>();
  const uint64_t end = entry["data_offsets"][1].get<uint64_t>();
  if (begin > end || end > data.size()) {
    return absl::InvalidArgumentError(absl::StrCat("data_offsets [", begin, ", ", end, "] outside the ", data.size(),
                                                   " bytes of data (is the file truncated?)"));
  }
  if (end - begin != *size) {
    return absl::InvalidArgumentError(
        absl::StrCat("data_offsets span ", end - begin, " bytes, dtype and shape need ", *size));
  }
  view.data = reinterpret_cast<const std::byte*>(data.data()) + begin;
  view.size_bytes = *size;
  return view;
}

// Tensors must tile the data exactly: no overlap, no hole, no rest.
absl::Status CheckTiling(const TensorMap& tensors, std::string_view data) {
  std::vector<std::pair<size_t, const TensorMap::value_type*>> order;
  order.reserve(tensors.size());
  const auto* base = reinterpret_cast<const std::byte*>(data.data());
  for (const auto& tensor : tensors) order.emplace_back(tensor.second.data - base, &tensor);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second->second.size_bytes < b.second->second.size_bytes;
  });
  size_t at = 0;
  for (const auto& [begin, tensor] : order) {
    if (begin != at) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", tensor->first, "\" ",
                                                     begin < at ? "overlaps another" : "leaves a hole before it",
                                                     ": begins at ", begin, ", expected ", at));
    }
    at = begin + tensor->second.size_bytes;
  }
  if (at != data.size()) {
    return absl::InvalidArgumentError(absl::StrCat(data.size() - at, " bytes of data belong to no tensor"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TensorMap> SafetensorsFile::Parse(std::string_view bytes, const std::string& name) {
  const auto fail = [&name](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", what...));
  };
  if (bytes.size() < 8) return fail("not a safetensors file: ", bytes.size(), " bytes");
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  if (header_size > kMaxHeaderBytes || header_size > bytes.size() - 8) {
    return fail("header of ", header_size, " bytes, but the file has ", bytes.size(), " (limit ", kMaxHeaderBytes, ")");
  }
  auto header = ParseJson(std::string(bytes.substr(8, header_size)), absl::StrCat(name, " (header)"));
  if (!header.ok()) return header.status();
  if (!header->is_object()) return fail("the header is not a JSON object");
  const std::string_view data = bytes.substr(8 + header_size);
  TensorMap tensors;
  for (const auto& [key, entry] : header->items()) {
    if (key == "__metadata__") continue;
    auto view = ReadEntry(entry, data);
    if (!view.ok()) return fail("tensor \"", key, "\": ", view.status().message());
    tensors.emplace(key, *std::move(view));
  }
  const absl::Status tiling = CheckTiling(tensors, data);
  if (!tiling.ok()) return fail(tiling.message());
  return tensors;
}

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(const std::string& path) {
  auto mapped = MappedFile::Open(path);
  if (!mapped.ok()) return mapped.status();
  std::unique_ptr<SafetensorsFile> file(new SafetensorsFile(path, *std::move(mapped)));
  auto tensors = Parse(file->bytes(), path);
  if (absl::Status status = file->Condition(); !status.ok()) return status;
  if (!tensors.ok()) return tensors.status();
  file->tensors_ = *std::move(tensors);
  return file;
}

absl::Status SafetensorsFile::Condition() const {
  if (!file_->damaged()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      path_, ": cut short while it is in use, or cannot be read any more; put it right and load it again"));
}

const TensorView* SafetensorsFile::Find(std::string_view name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

void SafetensorsFile::Release(const TensorView& tensor) const {
  // Whole pages inside the tensor only: its neighbours may be in use.
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(tensor.data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(tensor.data) + tensor.size_bytes) / page * page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace attendant
