// Sources, see proc(5): self/stat (utime, stime, num_threads, starttime, vsize, rss), stat (btime), self/limits,
// self/fd.
#include "server/observability/process_metrics.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>

namespace attendant {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

struct ProcStat {
  double cpu_ticks = 0;
  double threads = 0;
  double start_ticks = 0;  // after boot
  double virtual_bytes = 0;
  double resident_pages = 0;
};

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<ProcStat> ReadStat(const std::string& proc) {
  const std::string text = ReadAll(proc + "/self/stat");
  // The second field, the program's name in parentheses, may itself hold spaces and parentheses.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(name_end + 1));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  // proc(5) counts from 1, and the first field here is its third.
  constexpr size_t kUtime = 14 - 3, kStime = 15 - 3, kThreads = 20 - 3, kStart = 22 - 3, kVsize = 23 - 3, kRss = 24 - 3;
  if (fields.size() <= kRss) return std::nullopt;
  const auto number = [&](size_t i) { return std::strtod(fields[i].c_str(), nullptr); };
  return ProcStat{.cpu_ticks = number(kUtime) + number(kStime),
                  .threads = number(kThreads),
                  .start_ticks = number(kStart),
                  .virtual_bytes = number(kVsize),
                  .resident_pages = number(kRss)};
}

// The number after the first line that starts with this word.
std::optional<double> NumberAfter(const std::string& path, const std::string& word) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(word, 0) != 0) continue;
    std::istringstream rest(line.substr(word.size()));
    double number = 0;
    if (rest >> number) return number;
  }
  return std::nullopt;
}

std::optional<double> CountOpenFds(const std::string& proc) {
  std::error_code error;
  double count = 0;
  for (std::filesystem::directory_iterator entry(proc + "/self/fd", error), end; !error && entry != end;
       entry.increment(error)) {
    ++count;
  }
  if (error) return std::nullopt;
  return std::max(0.0, count - 1);  // without the one that lists them
}

void Add(std::vector<MetricFamily>* families, const char* name, const char* help, MetricType type, double value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  metric.counter.value = value;
  families->push_back({name, help, type, {metric}});
}

}  // namespace

std::vector<MetricFamily> ProcessMetrics::Collect() const {
  std::vector<MetricFamily> families;
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  if (const std::optional<ProcStat> stat = ReadStat(proc_)) {
    Add(&families, "process_cpu_seconds_total", "User and system CPU time spent.", MetricType::Counter,
        stat->cpu_ticks / ticks_per_second);
    Add(&families, "process_resident_memory_bytes", "Resident memory.", MetricType::Gauge,
        stat->resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
    Add(&families, "process_virtual_memory_bytes", "Virtual memory.", MetricType::Gauge, stat->virtual_bytes);
    Add(&families, "process_threads", "Threads of the process.", MetricType::Gauge, stat->threads);
    if (const std::optional<double> boot = NumberAfter(proc_ + "/stat", "btime ")) {
      Add(&families, "process_start_time_seconds", "Start of the process, in seconds since 1970.", MetricType::Gauge,
          *boot + stat->start_ticks / ticks_per_second);
    }
  }
  if (const std::optional<double> fds = CountOpenFds(proc_)) {
    Add(&families, "process_open_fds", "Open file descriptors.", MetricType::Gauge, *fds);
  }
  if (const std::optional<double> fds = NumberAfter(proc_ + "/self/limits", "Max open files")) {
    Add(&families, "process_max_fds", "Limit of open file descriptors.", MetricType::Gauge, *fds);
  }
  return families;
}

}  // namespace attendant
