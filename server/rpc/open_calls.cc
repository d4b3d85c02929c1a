#include "server/rpc/open_calls.h"

#include <algorithm>

#include "absl/time/time.h"

namespace attendant {

OpenCalls::OpenCalls(std::chrono::milliseconds write_timeout) : write_timeout_(write_timeout) {
  if (write_timeout_.count() > 0) watcher_ = std::thread([this] { Watch(); });
}

OpenCalls::~OpenCalls() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  if (watcher_.joinable()) watcher_.join();
}

bool OpenCalls::Add(Member* member) {
  absl::MutexLock lock(&mutex_);
  members_.insert(member);
  return !draining_;
}

void OpenCalls::Remove(Member* member) {
  absl::MutexLock lock(&mutex_);
  members_.erase(member);
}

void OpenCalls::Drain() {
  // Under the lock, so that no member goes away meanwhile.
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  for (Member* member : members_) member->Drain();
}

void OpenCalls::Watch() {
  // Precise to a quarter of the timeout, and idle when there is nobody to watch.
  const auto interval = std::max(write_timeout_ / 4, std::chrono::milliseconds(1));
  absl::MutexLock lock(&mutex_);
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_ || !members_.empty(); };
  while (true) {
    mutex_.Await(absl::Condition(&has_work));
    if (mutex_.AwaitWithTimeout(absl::Condition(&ending_), absl::FromChrono(interval))) return;
    const SteadyTime since = std::chrono::steady_clock::now() - write_timeout_;
    for (Member* member : members_) member->CancelIfStuckSince(since);
  }
}

}  // namespace attendant
