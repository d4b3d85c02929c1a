#include "server/models/memory_limit.h"

#include <unistd.h>

#include <fstream>
#include <optional>

#include "server/scheduling/cgroup.h"

namespace attendant {
namespace {

// cgroup v1 says "no limit" with a number near 2^63; no machine has half of that.
constexpr int64_t kNoLimit = int64_t{1} << 61;

}  // namespace

MemoryLimit FindMemoryLimit(int64_t configured, const std::string& root) {
  if (configured > 0) return {configured, "--memory-limit"};
  MemoryLimit tightest;
  for (const CgroupDirectory& directory : CgroupDirectories("memory", root)) {
    const std::string file = directory.path + (directory.v2 ? "/memory.max" : "/memory.limit_in_bytes");
    std::ifstream stream(root + file);
    int64_t bytes = 0;
    // "max" is not a number: no limit.
    if (!(stream >> bytes) || bytes <= 0 || bytes >= kNoLimit) continue;
    if (tightest.bytes == 0 || bytes < tightest.bytes) tightest = {bytes, file};
  }
  return tightest;
}

int64_t ResidentBytes(const std::string& root) {
  std::ifstream file(root + "/proc/self/statm");
  int64_t total = 0, resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace attendant
