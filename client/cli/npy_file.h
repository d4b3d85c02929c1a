// A NumPy .npy file (format 1.0) written as a stream: data first, the shape when it is known.
//
// The data goes to FILE.partial, which takes the name FILE only when it is complete, so a reader never finds half a
// file under the right name. Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_NPY_FILE_H_
#define ATTENDANT_CLIENT_CLI_NPY_FILE_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace attendant::cli {

// The dtypes that we write.
constexpr char kNpyFloat32[] = "<f4";
constexpr char kNpyInt64[] = "<i8";

class NpyFile {
 public:
  static absl::StatusOr<std::unique_ptr<NpyFile>> Create(const std::string& path, const std::string& dtype);
  // Without Finish the file stays FILE.partial.
  ~NpyFile();

  absl::Status Append(const void* data, size_t bytes);

  // The data must be that of the shape. Makes the file complete and gives it its name.
  absl::Status Finish(const std::vector<int64_t>& shape);
  // Makes the file readable, but leaves it under its partial name.
  absl::Status FinishPartial(const std::vector<int64_t>& shape);
  const std::string& partial_path() const { return partial_path_; }

 private:
  NpyFile(std::string path, std::string dtype) : path_(path), partial_path_(path + ".partial"), dtype_(dtype) {}
  absl::Status Fault(const char* what) const;

  std::string path_;
  std::string partial_path_;
  std::string dtype_;
  std::FILE* file_ = nullptr;
};

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_NPY_FILE_H_
