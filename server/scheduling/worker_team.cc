#include "server/scheduling/worker_team.h"

#include <sched.h>

#include <chrono>
#include <thread>

namespace attendant {
namespace {

constexpr int kPartBits = 16;
constexpr uint64_t kPartMask = (uint64_t{1} << kPartBits) - 1;

// Spins this often before it offers its CPU to others: some 20 microseconds, half a burst.
constexpr int kSpins = 500;
// Then this often, some milliseconds: many times what lies between two bursts of a healthy batch.
constexpr int kYields = 5000;
// Whoever is slower than that is in trouble, and must not cost its helpers' CPUs as well.
constexpr std::chrono::microseconds kNap{200};

// Waits a little longer each call: first spinning, then yielding to whoever shares the CPU, then sleeping.
class Pause {
 public:
  void operator()() {
    ++spins_;
    if (spins_ < kSpins) {
      __builtin_ia32_pause();
    } else if (spins_ < kSpins + kYields) {
      sched_yield();
    } else {
      std::this_thread::sleep_for(kNap);
    }
  }
  void Reset() { spins_ = 0; }

 private:
  int spins_ = 0;
};

}  // namespace

std::optional<int> WorkerTeam::Join() {
  if (!is_open()) return std::nullopt;
  for (int member = 1; member < kMaxTeamMembers; ++member) {
    if ((members_.load(std::memory_order_relaxed) & (1u << member)) != 0) continue;
    members_.fetch_or(1u << member, std::memory_order_relaxed);
    shared_ = true;
    return member;
  }
  return std::nullopt;
}

bool WorkerTeam::RunOnePart(int member) {
  uint64_t work = work_.load(std::memory_order_acquire);
  for (;;) {
    const uint64_t next = work & kPartMask;
    if (next >= ((work >> kPartBits) & kPartMask)) return false;
    if (!work_.compare_exchange_weak(work, work + 1, std::memory_order_acquire)) continue;
    (*body_.load(std::memory_order_relaxed))(static_cast<int>(next), member);
    parts_done_.fetch_add(1, std::memory_order_release);
    return true;
  }
}

void WorkerTeam::Help(int member, const std::atomic<bool>& wanted_elsewhere) {
  Pause pause;
  while (is_open() && !wanted_elsewhere.load(std::memory_order_relaxed)) {
    if (RunOnePart(member)) {
      pause.Reset();
    } else {
      pause();
    }
  }
}

void WorkerTeam::ParallelFor(int parts, Body body) {
  body_.store(&body, std::memory_order_relaxed);
  parts_done_.store(0, std::memory_order_relaxed);
  const uint64_t generation = (work_.load(std::memory_order_relaxed) >> (2 * kPartBits)) + 1;
  work_.store(generation << (2 * kPartBits) | static_cast<uint64_t>(parts) << kPartBits, std::memory_order_release);
  while (RunOnePart(0)) {
  }
  Pause pause;
  while (parts_done_.load(std::memory_order_acquire) < parts) pause();
}

}  // namespace attendant
