// The quota is in cpu.max ("max 100000", "150000 100000") or cpu.cfs_quota_us and cpu.cfs_period_us.
#include "server/scheduling/thread_budget.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/scheduling/cgroup.h"

namespace attendant {
namespace {

struct Quota {
  double cpus = 0;
  std::string file;
};

std::optional<double> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  double number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

std::optional<Quota> ReadV2(const std::string& fs_root, const std::string& directory) {
  const std::string file = directory + "/cpu.max";
  std::ifstream stream(fs_root + file);
  double quota = 0, period = 0;
  // "max" is not a number: no limit.
  if (!(stream >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return Quota{quota / period, file};
}

std::optional<Quota> ReadV1(const std::string& fs_root, const std::string& directory) {
  const std::string file = directory + "/cpu.cfs_quota_us";
  const std::optional<double> quota = ReadNumber(fs_root + file);
  const std::optional<double> period = ReadNumber(fs_root + directory + "/cpu.cfs_period_us");
  // -1: no limit.
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return Quota{*quota / *period, file};
}

std::optional<Quota> TightestQuota(const std::string& fs_root) {
  std::optional<Quota> tightest;
  for (const CgroupDirectory& directory : CgroupDirectories("cpu", fs_root)) {
    const std::optional<Quota> quota = directory.v2 ? ReadV2(fs_root, directory.path) : ReadV1(fs_root, directory.path);
    if (quota && (!tightest || quota->cpus < tightest->cpus)) tightest = quota;
  }
  return tightest;
}

int AffinityCpus() {
  // Grows until the kernel's mask fits: machines have more CPUs than cpu_set_t has bits.
  for (int bits = CPU_SETSIZE; bits <= (1 << 20); bits *= 2) {
    cpu_set_t* set = CPU_ALLOC(bits);
    const size_t bytes = CPU_ALLOC_SIZE(bits);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return std::max(1, count);
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

const char* Plural(int count) { return count == 1 ? "" : "s"; }

}  // namespace

ThreadBudget ComputeThreadBudget(const ThreadBudgetOptions& options) {
  const int affinity = options.affinity_cpus > 0 ? options.affinity_cpus : AffinityCpus();
  const std::optional<Quota> quota = TightestQuota(options.root);
  ThreadBudget budget;
  budget.threads = affinity;
  if (quota && quota->cpus < affinity) budget.threads = std::max(1, static_cast<int>(std::ceil(quota->cpus)));
  const std::string quota_text =
      quota ? absl::StrFormat("a cgroup quota of %.2f CPUs (%s)", quota->cpus, quota->file) : "no cgroup CPU quota";
  budget.explanation = absl::StrCat(budget.threads, " thread", Plural(budget.threads), ": ", affinity, " CPU",
                                    Plural(affinity), " in the affinity mask, ", quota_text);
  return budget;
}

}  // namespace attendant
