// How much memory this process may use, and how much it uses: what is asked before a model is loaded.
//
// It is not: a guard at run time; memory is sized at load and flat afterwards.
// Thread-safety: pure functions of the system's files at the time of the call.
#ifndef ATTENDANT_SERVER_MODELS_MEMORY_LIMIT_H_
#define ATTENDANT_SERVER_MODELS_MEMORY_LIMIT_H_

#include <cstdint>
#include <string>

namespace attendant {

struct MemoryLimit {
  int64_t bytes = 0;   // 0: none
  std::string source;  // "--memory-limit", or the cgroup's file
};

// The configured one if it is not 0, else the tightest of the process's own cgroup (v1 or v2) and all above it that are
// visible. root is put before /proc and /sys; a directory of files in tests.
MemoryLimit FindMemoryLimit(int64_t configured, const std::string& root = "");

// Resident bytes of this process; 0 when /proc does not tell.
int64_t ResidentBytes(const std::string& root = "");

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_MEMORY_LIMIT_H_
