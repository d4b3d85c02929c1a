// A progress line on a terminal: share done, items, rate, time left.
//
//   [########............]  41%  12,300 items  1,840/s  0:09 left
//
// It draws at most ten times a second, not before the work has taken half a second, and never where there is no
// terminal. Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_PROGRESS_BAR_H_
#define ATTENDANT_CLIENT_CLI_PROGRESS_BAR_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

namespace attendant::cli {

// share: 0..1, absent when unknown.
std::string ProgressLine(std::optional<double> share, int64_t items, double seconds);

class ProgressBar {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  ProgressBar(std::ostream& err, bool enabled, TimePoint start) : err_(err), enabled_(enabled), start_(start) {}

  void Update(std::optional<double> share, int64_t items, TimePoint now);
  // Takes the line off the terminal, so that something else can be printed.
  void Clear();

 private:
  std::ostream& err_;
  bool enabled_;
  bool drawn_ = false;
  TimePoint start_;
  TimePoint next_{};
};

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_PROGRESS_BAR_H_
