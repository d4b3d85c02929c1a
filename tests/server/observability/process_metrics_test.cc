#include "server/observability/process_metrics.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attendant {
namespace {

std::map<std::string, double> Values(const ProcessMetrics& metrics) {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : metrics.Collect()) {
    EXPECT_FALSE(family.help.empty());
    EXPECT_EQ(family.metric.size(), 1u);
    const bool counter = family.type == prometheus::MetricType::Counter;
    values[family.name] = counter ? family.metric[0].counter.value : family.metric[0].gauge.value;
  }
  return values;
}

TEST(ProcessMetrics, OfThisProcess) {
  std::map<std::string, double> values = Values(ProcessMetrics());
  EXPECT_EQ(values.size(), 7u);
  EXPECT_GT(values["process_resident_memory_bytes"], 1 << 20);
  EXPECT_GT(values["process_virtual_memory_bytes"], values["process_resident_memory_bytes"]);
  EXPECT_GE(values["process_threads"], 1);
  EXPECT_GE(values["process_open_fds"], 3);
  EXPECT_GT(values["process_max_fds"], values["process_open_fds"]);
  EXPECT_NEAR(values["process_start_time_seconds"], static_cast<double>(std::time(nullptr)), 600);
}

TEST(ProcessMetrics, CountsDescriptorsExactly) {
  const double before = Values(ProcessMetrics())["process_open_fds"];
  const int fd = dup(0);
  EXPECT_EQ(Values(ProcessMetrics())["process_open_fds"], before + 1);
  close(fd);
}

TEST(ProcessMetrics, ReadsTheRightFields) {
  std::string pattern = testing::TempDir() + "/process_metrics_XXXXXX";
  const std::string proc = mkdtemp(pattern.data());
  mkdir((proc + "/self").c_str(), 0755);
  // A name that tries hard, then fields 3 to 24.
  std::ofstream(proc + "/self/stat") << "7 (a) b) (c) S 1 7 7 0 -1 0 0 0 0 0 150 50 0 0 20 0 9 0 3000 1000000 25 0 0\n";
  std::ofstream(proc + "/stat") << "cpu 1 2 3\nbtime 1700000000\n";
  std::ofstream(proc + "/self/limits") << "Limit  Soft Limit Hard Limit Units\nMax open files 1024 4096 files\n";
  std::map<std::string, double> values = Values(ProcessMetrics(proc));
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  EXPECT_EQ(values["process_cpu_seconds_total"], 200 / ticks);
  EXPECT_EQ(values["process_threads"], 9);
  EXPECT_EQ(values["process_start_time_seconds"], 1700000000 + 3000 / ticks);
  EXPECT_EQ(values["process_virtual_memory_bytes"], 1000000);
  EXPECT_EQ(values["process_resident_memory_bytes"], 25.0 * static_cast<double>(sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(values["process_max_fds"], 1024);
  EXPECT_EQ(values.count("process_open_fds"), 0u);
  std::filesystem::remove_all(proc);
}

TEST(ProcessMetrics, LeavesOutWhatCannotBeRead) { EXPECT_TRUE(ProcessMetrics("/nonexistent").Collect().empty()); }

}  // namespace
}  // namespace attendant
