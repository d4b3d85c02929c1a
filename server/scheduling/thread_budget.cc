// Where the quota stands: /proc/self/cgroup names the process's cgroup in each hierarchy ("0::/a/b" for v2,
// "4:cpu,cpuacct:/a/b" for v1); /proc/self/mountinfo says where a hierarchy is mounted and which of its directories is
// the mount's root (in a container without a cgroup namespace that is the container's own cgroup). The quota is in
// cpu.max ("max 100000", "150000 100000") or cpu.cfs_quota_us and cpu.cfs_period_us.
#include "server/scheduling/thread_budget.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace attendant {
namespace {

struct Quota {
  double cpus = 0;
  std::string file;
};

struct Mount {
  bool v2 = false;
  std::string root;   // the hierarchy's directory that is mounted
  std::string point;  // where
};

std::vector<std::string> ReadLines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::optional<double> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  double number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

bool HasWord(const std::string& comma_list, const std::string& word) {
  const std::vector<std::string> words = absl::StrSplit(comma_list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// "36 35 98:0 /root /mount/point rw,nosuid shared:1 - cgroup2 cgroup2 rw": the mounts that have the cpu controller.
std::vector<Mount> CpuMounts(const std::string& fs_root) {
  std::vector<Mount> mounts;
  for (const std::string& line : ReadLines(fs_root + "/proc/self/mountinfo")) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const std::string& type = dash[1];
    const bool v1_cpu = type == "cgroup" && HasWord(dash[3], "cpu");
    if (type == "cgroup2" || v1_cpu) mounts.push_back({type == "cgroup2", fields[3], fields[4]});
  }
  return mounts;
}

// The process's cgroup in the hierarchy of the mount, such as "/a/b".
std::optional<std::string> CgroupPath(const std::string& fs_root, const Mount& mount) {
  for (const std::string& line : ReadLines(fs_root + "/proc/self/cgroup")) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const bool matches = mount.v2 ? fields[0] == "0" && fields[1].empty() : HasWord(fields[1], "cpu");
    if (matches) return fields[2];
  }
  return std::nullopt;
}

// The cgroup's path below the mount point: "" when the mount's root is the cgroup itself or does not contain it.
std::string BelowMount(const Mount& mount, const std::string& cgroup) {
  if (mount.root == "/") return cgroup == "/" ? "" : cgroup;
  if (cgroup.rfind(mount.root + "/", 0) == 0) return cgroup.substr(mount.root.size());
  return "";
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
  for (const Mount& mount : CpuMounts(fs_root)) {
    const std::optional<std::string> cgroup = CgroupPath(fs_root, mount);
    if (!cgroup) continue;
    std::string below = BelowMount(mount, *cgroup);
    while (true) {
      const std::string directory = mount.point + below;
      const std::optional<Quota> quota = mount.v2 ? ReadV2(fs_root, directory) : ReadV1(fs_root, directory);
      if (quota && (!tightest || quota->cpus < tightest->cpus)) tightest = quota;
      if (below.empty()) break;
      below.resize(below.rfind('/') == std::string::npos ? 0 : below.rfind('/'));
    }
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
