// Whether the server may be sent calls: it may unless somebody objects. Health asks it.
//
// Each objection is raised and withdrawn by its owner alone, so that one cannot end another's: a watchdog that sees
// work flow again does not make a draining server ready. Thread-safety: any thread; the callback runs under the lock,
// in the order of the changes.
#ifndef ATTENDANT_SERVER_READINESS_H_
#define ATTENDANT_SERVER_READINESS_H_

#include <bitset>
#include <functional>
#include <mutex>
#include <utility>

namespace attendant {

enum class NotReady { kStarting, kDraining, kStuck };

class Readiness {
 public:
  // on_change: called with the new answer whenever it changes; not ready at first (kStarting).
  explicit Readiness(std::function<void(bool ready)> on_change) : on_change_(std::move(on_change)) {
    reasons_.set(static_cast<size_t>(NotReady::kStarting));
  }

  void Object(NotReady reason) { Set(reason, true); }
  void Withdraw(NotReady reason) { Set(reason, false); }

  bool ready() const {
    const std::lock_guard lock(mutex_);
    return reasons_.none();
  }

 private:
  void Set(NotReady reason, bool objected) {
    const std::lock_guard lock(mutex_);
    const bool was = reasons_.none();
    reasons_.set(static_cast<size_t>(reason), objected);
    if (was != reasons_.none()) on_change_(!was);
  }

  const std::function<void(bool ready)> on_change_;
  mutable std::mutex mutex_;
  std::bitset<3> reasons_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_READINESS_H_
