// One piece of work that several callers wait for: each with its own deadline, cancellation and answer.
//
// It is abandoned only when all of them are gone, so nobody's leaving disturbs another. Its place in the queue is that
// of the call that brought it; those who join later must not be in more of a hurry, or come when it is being computed.
// It is not: a table of such work (work_sharing.h). Thread-safety: all members.
#ifndef ATTENDANT_SERVER_SCHEDULING_JOINT_WORK_H_
#define ATTENDANT_SERVER_SCHEDULING_JOINT_WORK_H_

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "server/scheduling/scheduler_types.h"

namespace attendant {

// Why nobody waits for this work any more, or kOk.
absl::StatusCode StaleReason(const CancelToken* cancel, SteadyTime deadline, SteadyTime now);

class JointWork {
 public:
  struct Owner {
    SteadyTime deadline = SteadyTime::max();
    std::shared_ptr<const CancelToken> cancel;   // may be null
    std::shared_ptr<const CancelToken> refused;  // set when the owner's call was not admitted; may be null
    std::function<void(WorkResult)> done;
  };

  // Of the call that brings it.
  JointWork(ServiceClass service_class, SteadyTime deadline) : service_class_(service_class), deadline_(deadline) {}

  // Would a call like this one be served at least as early by joining as by itself?
  bool Suits(ServiceClass service_class, SteadyTime deadline) const {
    return started_.load(std::memory_order_relaxed) || (service_class_ <= service_class && deadline_ <= deadline);
  }
  // False: too late, it has come to its end.
  bool Join(Owner owner) {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    owners_.push_back(std::move(owner));
    return true;
  }

  // A worker has it.
  void Start() { started_.store(true, std::memory_order_relaxed); }

  // kOk while somebody would still wait for it at this time. Else it is closed, and the reason is one of theirs.
  absl::StatusCode CloseIfStale(SteadyTime time) {
    const std::lock_guard lock(mutex_);
    absl::StatusCode reason = absl::StatusCode::kCancelled;
    for (const Owner& owner : owners_) {
      if (owner.refused != nullptr && owner.refused->cancelled()) continue;
      reason = StaleReason(owner.cancel.get(), owner.deadline, time);
      if (reason == absl::StatusCode::kOk) return reason;
    }
    closed_ = true;
    return reason;
  }

  // Nobody joins from now on. Whom to answer; once.
  std::vector<Owner> Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    return std::exchange(owners_, {});
  }
  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

 private:
  const ServiceClass service_class_;
  const SteadyTime deadline_;
  std::atomic<bool> started_{false};
  mutable std::mutex mutex_;  // guards what follows
  std::vector<Owner> owners_;
  bool closed_ = false;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_JOINT_WORK_H_
