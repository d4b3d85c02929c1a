#include "server/scheduling/cgroup.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "absl/strings/str_split.h"

namespace attendant {
namespace {

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

bool HasWord(const std::string& comma_list, const std::string& word) {
  const std::vector<std::string> words = absl::StrSplit(comma_list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// "36 35 98:0 /root /mount/point rw,nosuid shared:1 - cgroup2 cgroup2 rw": the mounts that have the controller.
std::vector<Mount> MountsWith(const std::string& controller, const std::string& fs_root) {
  std::vector<Mount> mounts;
  for (const std::string& line : ReadLines(fs_root + "/proc/self/mountinfo")) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const std::string& type = dash[1];
    const bool v1 = type == "cgroup" && HasWord(dash[3], controller);
    if (type == "cgroup2" || v1) mounts.push_back({type == "cgroup2", fields[3], fields[4]});
  }
  return mounts;
}

// The process's cgroup in the hierarchy of the mount, such as "/a/b".
std::optional<std::string> CgroupPath(const std::string& controller, const std::string& fs_root, const Mount& mount) {
  for (const std::string& line : ReadLines(fs_root + "/proc/self/cgroup")) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const bool matches = mount.v2 ? fields[0] == "0" && fields[1].empty() : HasWord(fields[1], controller);
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

}  // namespace

std::vector<CgroupDirectory> CgroupDirectories(const std::string& controller, const std::string& fs_root) {
  std::vector<CgroupDirectory> directories;
  for (const Mount& mount : MountsWith(controller, fs_root)) {
    const std::optional<std::string> cgroup = CgroupPath(controller, fs_root, mount);
    if (!cgroup) continue;
    std::string below = BelowMount(mount, *cgroup);
    while (true) {
      directories.push_back({mount.v2, mount.point + below});
      if (below.empty()) break;
      below.resize(below.rfind('/') == std::string::npos ? 0 : below.rfind('/'));
    }
  }
  return directories;
}

}  // namespace attendant
