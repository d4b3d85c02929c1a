// A worker that runs a batch lets idle workers share it: one team per worker, open while its batch runs.
//
// Within a batch work comes in short bursts (some 40 microseconds for a small request), so helpers spin between bursts
// and the hand-over costs no system call; they sleep as soon as the batch ends. A helper leaves between two parts as
// soon as it is wanted elsewhere, so helping never delays new work by more than one part.
//
// Thread-safety: Open, Close, Join, Leave and is_open are called under the scheduler's lock. ParallelFor is called by
// the leader alone, Help by those who joined, without the lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_WORKER_TEAM_H_
#define ATTENDANT_SERVER_SCHEDULING_WORKER_TEAM_H_

#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "engine/team.h"

namespace attendant {

class WorkerTeam final : public Team {
 public:
  void Open() {
    shared_ = false;
    open_.store(true, std::memory_order_relaxed);
  }
  void Close() { open_.store(false, std::memory_order_relaxed); }
  // Did anyone join since it was opened? Under the lock, as Join.
  bool was_shared() const { return shared_; }
  bool is_open() const { return open_.load(std::memory_order_relaxed); }

  // A member number that is free, or nothing when the team is closed or full.
  std::optional<int> Join();
  void Leave(int member) { members_.fetch_and(~(1u << member), std::memory_order_relaxed); }

  // Takes parts of the leader's work until the team closes or wanted_elsewhere is set.
  void Help(int member, const std::atomic<bool>& wanted_elsewhere);

  int size() const override { return std::popcount(members_.load(std::memory_order_relaxed)); }
  void ParallelFor(int parts, absl::FunctionRef<void(int part, int member)> body) override;

 private:
  using Body = absl::FunctionRef<void(int part, int member)>;

  // Runs parts of the present work until none is left to claim; false: there was none.
  bool RunOnePart(int member);

  // The work in one word, so that a part is claimed by one compare-and-swap: generation (32 bits), number of parts
  // (16), next part (16). Whoever has claimed a part of a generation holds back its end, so `body_` stays valid
  // meanwhile.
  std::atomic<uint64_t> work_{0};
  std::atomic<const Body*> body_{nullptr};
  std::atomic<int> parts_done_{0};
  std::atomic<bool> open_{false};
  bool shared_ = false;               // under the scheduler's lock
  std::atomic<uint32_t> members_{1};  // bit per member number; 0 is the leader's
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_WORKER_TEAM_H_
