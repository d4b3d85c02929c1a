// Digests that say whether two models give comparable vectors.
#ifndef ATTENDANT_ENGINE_FINGERPRINT_H_
#define ATTENDANT_ENGINE_FINGERPRINT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace attendant {

// sha256 in lower-case hex.
std::string Sha256(std::string_view bytes);
// Of a file's contents, read in pieces so that it never becomes resident.
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_FINGERPRINT_H_
