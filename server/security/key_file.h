// The text of a key file: one key a line, as hashes.
//
//   # name      SHA-256 of the key                                               attributes
//   search-ui   9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//   nightly     60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752 class=bulk tokens-per-second=20000
//   prometheus  fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13 allow=metrics
//
// Names are letters, digits, '.', '_' and '-', at most 64. Attributes, each at most once:
//   class=interactive|bulk   bulk: all requests of the key are bulk (default interactive)
//   tokens-per-second=N      the quota (default none)
//   allow=embed,metrics,admin   what the key opens (default embed)
// Thread-safety: pure functions.
#ifndef ATTENDANT_SERVER_SECURITY_KEY_FILE_H_
#define ATTENDANT_SERVER_SECURITY_KEY_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/security/caller.h"
#include "server/security/sha256.h"

namespace attendant {

inline constexpr size_t kMaxKeyFileBytes = 1 << 20;
// Shorter ones could be found by trying.
inline constexpr size_t kMinKeyBytes = 16;
inline constexpr size_t kMaxKeyBytes = 512;

struct KeyLine {
  Sha256Digest digest;
  CallerOptions caller;
};

// Strict: what is unknown, doubled or malformed is an INVALID_ARGUMENT that names the line. No line of the file is
// quoted: somebody may have put the key itself there.
absl::StatusOr<std::vector<KeyLine>> ParseKeyFile(std::string_view text);

// "NAME HASH", what a line of the file begins with. An error when the name or the key will not do.
absl::StatusOr<std::string> KeyFileLine(std::string_view name, std::string_view key);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_KEY_FILE_H_
