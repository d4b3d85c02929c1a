#include "server/scheduling/thread_budget.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attendant {
namespace {

using testing::HasSubstr;

// A file system of a few files under a temporary directory.
class ThreadBudgetTest : public testing::Test {
 protected:
  ThreadBudgetTest() {
    std::string pattern = testing::TempDir() + "/thread_budget_XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~ThreadBudgetTest() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  void MountV2(const std::string& mount_root = "/") {
    Write("/proc/self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw\n31 23 0:28 " + mount_root +
                                      " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }

  void MountV1(const std::string& mount_root = "/") {
    Write("/proc/self/mountinfo", "33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 31 0:29 " +
                                      mount_root + " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
  }

  ThreadBudget Budget(int affinity_cpus) { return ComputeThreadBudget({root_, affinity_cpus}); }

  std::string root_;
};

TEST_F(ThreadBudgetTest, NoFilesMeansAffinity) {
  const ThreadBudget budget = Budget(6);
  EXPECT_EQ(budget.threads, 6);
  EXPECT_EQ(budget.explanation, "6 threads: 6 CPUs in the affinity mask, no cgroup CPU quota");
}

TEST_F(ThreadBudgetTest, V2QuotaIsRoundedUp) {
  MountV2();
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  const ThreadBudget budget = Budget(64);
  EXPECT_EQ(budget.threads, 2);
  EXPECT_EQ(budget.explanation,
            "2 threads: 64 CPUs in the affinity mask, a cgroup quota of 1.50 CPUs (/sys/fs/cgroup/cpu.max)");
}

TEST_F(ThreadBudgetTest, V2TightestAncestorCounts) {
  MountV2();
  Write("/proc/self/cgroup", "0::/pods/a/server\n");
  Write("/sys/fs/cgroup/pods/a/server/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/pods/a/cpu.max", "300000 100000\n");
  Write("/sys/fs/cgroup/pods/cpu.max", "3200000 100000\n");
  const ThreadBudget budget = Budget(64);
  EXPECT_EQ(budget.threads, 3);
  EXPECT_THAT(budget.explanation, HasSubstr("/sys/fs/cgroup/pods/a/cpu.max"));
}

TEST_F(ThreadBudgetTest, V2MountOfOwnCgroupOnly) {
  MountV2("/docker/1234");
  Write("/proc/self/cgroup", "0::/docker/1234/inner\n");
  Write("/sys/fs/cgroup/inner/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(Budget(8).threads, 4);
}

TEST_F(ThreadBudgetTest, V1Quota) {
  MountV1("/docker/1234");
  Write("/proc/self/cgroup", "5:memory:/docker/1234\n4:cpu,cpuacct:/docker/1234\n0::/\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Budget(8).threads, 3);
}

TEST_F(ThreadBudgetTest, V1WithoutLimit) {
  MountV1();
  Write("/proc/self/cgroup", "4:cpu,cpuacct:/\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Budget(8).threads, 8);
}

TEST_F(ThreadBudgetTest, NeverLessThanOneNeverMoreThanAffinity) {
  MountV2();
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/cpu.max", "1000 100000\n");
  EXPECT_EQ(Budget(8).threads, 1);
  Write("/sys/fs/cgroup/cpu.max", "1600000 100000\n");
  EXPECT_EQ(Budget(2).threads, 2);
}

TEST_F(ThreadBudgetTest, NonsenseSetsNoLimit) {
  MountV2();
  Write("/proc/self/cgroup", "0::/\nnonsense\n\n:::::\n");
  for (const char* text : {"", "max", "x y", "100000 0", "-5 100000", "0 0"}) {
    Write("/sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(Budget(8).threads, 8) << text;
  }
  Write("/proc/self/mountinfo", "1\n1 2 3 4 5 6 -\n1 2 3 4 5 6 - cgroup2\n\n");
  EXPECT_EQ(Budget(8).threads, 8);
}

TEST_F(ThreadBudgetTest, TheRealSystem) {
  const ThreadBudget budget = ComputeThreadBudget();
  EXPECT_GE(budget.threads, 1);
  EXPECT_THAT(budget.explanation, HasSubstr("affinity mask"));
}

}  // namespace
}  // namespace attendant
