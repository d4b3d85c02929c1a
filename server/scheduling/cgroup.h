// Where this process's cgroup limits stand, for v1 and v2.
//
// /proc/self/cgroup names the process's cgroup in each hierarchy ("0::/a/b" for v2, "4:cpu,cpuacct:/a/b" for v1);
// /proc/self/mountinfo says where a hierarchy is mounted and which of its directories is the mount's root (in a
// container without a cgroup namespace that is the container's own cgroup).
// Thread-safety: a pure function of the system's files at the time of the call.
#ifndef ATTENDANT_SERVER_SCHEDULING_CGROUP_H_
#define ATTENDANT_SERVER_SCHEDULING_CGROUP_H_

#include <string>
#include <vector>

namespace attendant {

struct CgroupDirectory {
  bool v2 = false;
  std::string path;  // without fs_root
};

// The process's own cgroup in each hierarchy that has the controller ("cpu", "memory"), and all above it that are
// visible. fs_root is put before /proc; a directory of files in tests.
std::vector<CgroupDirectory> CgroupDirectories(const std::string& controller, const std::string& fs_root);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_CGROUP_H_
