// The keys that open the server: read from a file, looked up by hash, re-read when the file changes.
//
// A file that cannot be read or is wrong never replaces a good one. The lookup goes by the first bytes of the hash,
// then compares all of it in constant time: what time could tell is part of a hash, from which no key follows.
// Thread-safety: every member from any thread.
#ifndef ATTENDANT_SERVER_SECURITY_API_KEYS_H_
#define ATTENDANT_SERVER_SECURITY_API_KEYS_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/security/caller.h"
#include "server/security/sha256.h"

namespace attendant {

struct KeyUsage {
  std::string name;
  int64_t requests = 0;
  int64_t tokens = 0;
  int64_t refused = 0;
};

class ApiKeys {
 public:
  // The error names the file, and the line where it can.
  static absl::StatusOr<std::unique_ptr<ApiKeys>> Load(const std::string& path);

  // nullptr: no such key.
  std::shared_ptr<const Caller> Find(std::string_view key) const;

  // True: something has changed. After an error everything is as it was.
  absl::StatusOr<bool> Reload();

  const std::string& path() const { return path_; }
  size_t size() const;
  // Of the keys that the file has now, in its order.
  std::vector<KeyUsage> Usage() const;

 private:
  struct Table {
    std::string text;
    std::vector<std::pair<Sha256Digest, std::shared_ptr<const Caller>>> keys;
    std::unordered_multimap<uint64_t, size_t> by_prefix;
  };

  explicit ApiKeys(std::string path) : path_(std::move(path)) {}
  std::shared_ptr<const Table> table() const;

  const std::string path_;
  std::mutex reload_mutex_;   // one Reload at a time
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Table> table_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_API_KEYS_H_
