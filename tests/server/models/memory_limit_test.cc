#include "server/models/memory_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace attendant {
namespace {

namespace fs = std::filesystem;

class MemoryLimitTest : public ::testing::Test {
 protected:
  MemoryLimitTest() {
    Write("/proc/self/cgroup", "0::/pod/container\n3:memory:/pod\n");
    Write("/proc/self/mountinfo", "30 20 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  }
  ~MemoryLimitTest() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  const std::string root_ = ::testing::TempDir() + "memory_limit_" + std::to_string(getpid());
};

TEST_F(MemoryLimitTest, TheFlagGoesFirst) {
  Write("/sys/fs/cgroup/pod/memory.max", "1000\n");
  const MemoryLimit limit = FindMemoryLimit(5000, root_);
  EXPECT_EQ(limit.bytes, 5000);
  EXPECT_EQ(limit.source, "--memory-limit");
}

TEST_F(MemoryLimitTest, ElseTheTightestCgroup) {
  Write("/sys/fs/cgroup/pod/container/memory.max", "max\n");
  EXPECT_EQ(FindMemoryLimit(0, root_).bytes, 0);
  Write("/sys/fs/cgroup/pod/container/memory.max", "3000\n");
  Write("/sys/fs/cgroup/pod/memory.max", "2000\n");
  const MemoryLimit limit = FindMemoryLimit(0, root_);
  EXPECT_EQ(limit.bytes, 2000);
  EXPECT_EQ(limit.source, "/sys/fs/cgroup/pod/memory.max");
}

TEST_F(MemoryLimitTest, TheOldKindOfCgroup) {
  Write("/proc/self/mountinfo", "30 20 0:1 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  Write("/sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "9223372036854771712\n");  // none
  EXPECT_EQ(FindMemoryLimit(0, root_).bytes, 0);
  Write("/sys/fs/cgroup/memory/pod/memory.limit_in_bytes", "4000\n");
  EXPECT_EQ(FindMemoryLimit(0, root_).bytes, 4000);
}

TEST_F(MemoryLimitTest, ResidentBytesArePages) {
  Write("/proc/self/statm", "100 7 3 1 0 5 0\n");
  EXPECT_EQ(ResidentBytes(root_), 7 * sysconf(_SC_PAGESIZE));
  EXPECT_GT(ResidentBytes(), 1 << 20);
  EXPECT_EQ(ResidentBytes("/no/such/root"), 0);
}

}  // namespace
}  // namespace attendant
