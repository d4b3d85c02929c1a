#include "server/watchdog.h"

#include <pthread.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

// A probe allocates a workspace; one that cannot is a server that is not well.
absl::Status Guarded(const std::function<absl::Status()>& probe) {
  try {
    return probe();
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

}  // namespace

Watchdog::Watchdog(WatchdogOptions options) : options_(std::move(options)) {
  watcher_ = std::thread([this] { Watch(); });
  prober_ = std::thread([this] { RunProbes(); });
  pthread_setname_np(watcher_.native_handle(), "watchdog");
  pthread_setname_np(prober_.native_handle(), "probe");
}

Watchdog::~Watchdog() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  watcher_.join();
  prober_.join();
}

void Watchdog::Watch() {
  Lock lock(mutex_);
  while (!changed_.wait_for(lock, options_.interval, [this] { return stopping_; })) {
    lock.unlock();
    Look();
    lock.lock();
  }
}

void Watchdog::Look() {
  const StuckDetector::Observation seen = options_.observe();
  const absl::Status condition = options_.condition ? options_.condition() : absl::OkStatus();
  const SteadyTime now = options_.clock();
  bool unwell = false;
  std::string why;
  {
    const Lock lock(mutex_);
    const bool stuck = detector_.Observe(seen, now) == StuckDetector::Verdict::kStuck;
    if (detector_.wants_probe() && !probe_running_) {
      detector_.BeginProbe(now);
      probe_outcome_ = "has not ended";
      probe_wanted_ = true;
      changed_.notify_all();
    }
    unwell = stuck || !condition.ok();
    if (unwell == unwell_) return;
    unwell_ = unwell;
    why = stuck    ? absl::StrCat("no batch has ended for a long time; a forward pass of one token ", probe_outcome_)
          : unwell ? std::string(condition.message())
                   : "work flows again";
  }
  options_.on_change(unwell, why);
}

void Watchdog::RunProbes() {
  Lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || probe_wanted_; });
    if (stopping_) return;
    probe_wanted_ = false;
    probe_running_ = true;
    lock.unlock();
    const absl::Status outcome = Guarded(options_.probe);
    lock.lock();
    probe_running_ = false;
    probe_outcome_ = outcome.ok() ? "was well" : absl::StrCat("failed: ", outcome.message());
    detector_.EndProbe(outcome);
  }
}

}  // namespace attendant
