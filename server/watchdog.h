// Turns readiness off while work is stuck or a model is damaged, and on again when all is well: StuckDetector's
// threads.
//
// One thread watches; another runs the probes, a forward pass in a session of its own, because a probe may hang as the
// work does. Neither ever takes part in the work. Thread-safety: Start once; the destructor waits for a probe that is
// under way. What the functions use must outlive it.
#ifndef ATTENDANT_SERVER_WATCHDOG_H_
#define ATTENDANT_SERVER_WATCHDOG_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "server/scheduling/stuck_detector.h"

namespace attendant {

struct WatchdogOptions {
  std::chrono::milliseconds interval{1000};  // between two looks
  SchedulerClock clock = &std::chrono::steady_clock::now;
  std::function<StuckDetector::Observation()> observe;
  std::function<absl::Status()> probe;
  // What is wrong with the models themselves, however well work flows; unset: nothing ever.
  std::function<absl::Status()> condition;
  // Called on the watching thread when the answer changes; why: for the log.
  std::function<void(bool unwell, const std::string& why)> on_change;
};

class Watchdog {
 public:
  explicit Watchdog(WatchdogOptions options);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void Watch();
  void Look();
  void RunProbes();

  const WatchdogOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_.
  StuckDetector detector_;
  bool stopping_ = false;
  bool probe_wanted_ = false;
  bool probe_running_ = false;
  bool unwell_ = false;
  std::string probe_outcome_;

  std::thread watcher_;
  std::thread prober_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_WATCHDOG_H_
