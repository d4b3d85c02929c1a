#include "server/rpc/open_calls.h"

#include <algorithm>

namespace attendant {

OpenCalls::OpenCalls(std::chrono::milliseconds write_timeout) : write_timeout_(write_timeout) {
  if (write_timeout_.count() > 0) watcher_ = std::thread([this] { Watch(); });
}

OpenCalls::~OpenCalls() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

bool OpenCalls::Add(Member* member) {
  const std::lock_guard lock(mutex_);
  members_.insert(member);
  if (members_.size() == 1) changed_.notify_all();
  return !draining_;
}

void OpenCalls::Remove(Member* member) {
  const std::lock_guard lock(mutex_);
  members_.erase(member);
}

void OpenCalls::Drain() {
  // Under the lock, so that no member goes away meanwhile.
  const std::lock_guard lock(mutex_);
  draining_ = true;
  for (Member* member : members_) member->Drain();
}

void OpenCalls::Watch() {
  // Precise to a quarter of the timeout, and idle when there is nobody to watch.
  const auto interval = std::max(write_timeout_ / 4, std::chrono::milliseconds(1));
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || !members_.empty(); });
    if (changed_.wait_for(lock, interval, [this] { return ending_; })) return;
    const SteadyTime since = std::chrono::steady_clock::now() - write_timeout_;
    for (Member* member : members_) member->CancelIfStuckSince(since);
  }
}

}  // namespace attendant
