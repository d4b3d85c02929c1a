// A file mapped into memory for reading, and what becomes of the process when the file is cut short meanwhile.
//
// Reading a page that a file no longer has is a SIGBUS, which ends a process and everything else that it does. After
// SurviveCutFiles such a page reads as zeros instead, and the mapping knows from then on that it is damaged: whoever
// computes from it asks damaged() afterwards and throws the result away. A page that cannot be read from its disk is
// the same. It is not: a guard against files that are overwritten; what is read then is what the file says.
// Thread-safety: everything from any thread. Ownership: the mapping ends with the object.
#ifndef ATTENDANT_ENGINE_MODEL_MAPPED_FILE_H_
#define ATTENDANT_ENGINE_MODEL_MAPPED_FILE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace attendant {

// Takes over SIGBUS in the whole process, for good. Where it is no mapped file's, it is as fatal as it was.
void SurviveCutFiles();

struct MappedRange;

class MappedFile {
 public:
  // NOT_FOUND, PERMISSION_DENIED, or INVALID_ARGUMENT for what is empty or no file.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return bytes_; }
  // Some of what was read was not the file's.
  bool damaged() const;

 private:
  explicit MappedFile(std::string_view bytes);

  const std::string_view bytes_;
  MappedRange* const range_;  // where the signal's handler finds it
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_MAPPED_FILE_H_
