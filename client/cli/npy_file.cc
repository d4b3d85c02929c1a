// The header is a fixed 128 bytes: magic, version, length, then a Python dict literal padded with spaces to a multiple
// of 64 and closed by a line feed, so that it can be written again once the number of rows is known.
// Format: https://numpy.org/neps/nep-0001-npy-format.html
#include "client/cli/npy_file.h"

#include <bit>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace attendant::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "the dtypes say little endian");

constexpr size_t kHeaderBytes = 128;
constexpr size_t kPreambleBytes = 10;  // magic, version, header length

std::string Header(const std::string& dtype, const std::vector<int64_t>& shape) {
  std::string dict = absl::StrCat("{'descr': '", dtype, "', 'fortran_order': False, 'shape': (");
  for (const int64_t size : shape) absl::StrAppend(&dict, size, ", ");
  absl::StrAppend(&dict, "), }");
  constexpr size_t kDictBytes = kHeaderBytes - kPreambleBytes;
  std::string header("\x93NUMPY\x01\x00", 8);
  header.push_back(static_cast<char>(kDictBytes & 0xFF));
  header.push_back(static_cast<char>(kDictBytes >> 8));
  dict.resize(kDictBytes - 1, ' ');
  return header + dict + "\n";
}

}  // namespace

absl::Status NpyFile::Fault(const char* what) const {
  return absl::DataLossError(absl::StrCat("cannot ", what, " ", partial_path_, ": ", std::strerror(errno)));
}

absl::StatusOr<std::unique_ptr<NpyFile>> NpyFile::Create(const std::string& path, const std::string& dtype) {
  std::unique_ptr<NpyFile> file(new NpyFile(path, dtype));
  file->file_ = std::fopen(file->partial_path_.c_str(), "wb");
  if (file->file_ == nullptr) return file->Fault("create");
  const std::string header = Header(dtype, {0});
  if (absl::Status status = file->Append(header.data(), header.size()); !status.ok()) return status;
  return file;
}

NpyFile::~NpyFile() {
  if (file_ != nullptr) std::fclose(file_);
}

absl::Status NpyFile::Append(const void* data, size_t bytes) {
  if (bytes > 0 && std::fwrite(data, 1, bytes, file_) != bytes) return Fault("write");
  return absl::OkStatus();
}

absl::Status NpyFile::FinishPartial(const std::vector<int64_t>& shape) {
  const std::string header = Header(dtype_, shape);
  if (std::fseek(file_, 0, SEEK_SET) != 0) return Fault("write");
  if (absl::Status status = Append(header.data(), header.size()); !status.ok()) return status;
  const int closed = std::fclose(file_);
  file_ = nullptr;
  return closed == 0 ? absl::OkStatus() : Fault("write");
}

absl::Status NpyFile::Finish(const std::vector<int64_t>& shape) {
  if (absl::Status status = FinishPartial(shape); !status.ok()) return status;
  return std::rename(partial_path_.c_str(), path_.c_str()) == 0 ? absl::OkStatus() : Fault("rename");
}

}  // namespace attendant::cli
