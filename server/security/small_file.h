// Reads a whole file of a bounded size: keys and certificates. Thread-safety: a function without state.
#ifndef ATTENDANT_SERVER_SECURITY_SMALL_FILE_H_
#define ATTENDANT_SERVER_SECURITY_SMALL_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace attendant {

// The error names the file and says why: it is not there, may not be read, is a directory, or is too large.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_SMALL_FILE_H_
