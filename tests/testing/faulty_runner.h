// An engine that fails on purpose: decorates a real one, and breaks on batches that hold a sequence with a chosen id.
//
// The id is an ordinary one of the vocabulary, so a test provokes a fault by what it sends, and the rest of the server
// is what production runs. Thread-safety: every member from any thread. Ownership: owns the real runner.
#ifndef ATTENDANT_TESTS_TESTING_FAULTY_RUNNER_H_
#define ATTENDANT_TESTS_TESTING_FAULTY_RUNNER_H_

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "server/scheduling/batch_runner.h"

namespace attendant {

inline constexpr int32_t kOutOfMemoryId = 160;  // std::bad_alloc before anything is computed
inline constexpr int32_t kLateFailureId = 161;  // std::bad_alloc after some results are there
inline constexpr int32_t kThrowId = 162;        // another exception
inline constexpr int32_t kStuckId = 163;        // does not come back before Release, whatever is abandoned
inline constexpr int32_t kSlowId = 164;         // takes kSlowness longer
inline constexpr std::chrono::milliseconds kSlowness{300};

class FaultyRunner final : public BatchRunner {
 public:
  explicit FaultyRunner(std::unique_ptr<BatchRunner> real) : real_(std::move(real)) {}
  ~FaultyRunner() override { Release(); }

  std::unique_ptr<Session> NewSession() override { return std::make_unique<FaultySession>(this, real_->NewSession()); }

  // Lets go of every batch that is or will be stuck.
  void Release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  // Whether so many batches are stuck, or become it within the time.
  bool WaitStuck(int batches, std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return stuck_ >= batches; });
  }

 private:
  class FaultySession final : public Session {
   public:
    FaultySession(FaultyRunner* faults, std::unique_ptr<Session> real) : faults_(faults), real_(std::move(real)) {}

    void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned, Team* team) override {
      if (Holds(tasks, kStuckId)) faults_->GetStuck();
      if (Holds(tasks, kSlowId)) std::this_thread::sleep_for(kSlowness);
      if (Holds(tasks, kOutOfMemoryId)) throw std::bad_alloc();
      if (Holds(tasks, kThrowId)) throw std::runtime_error("a fault of this test's making");
      real_->Run(tasks, abandoned, team);
      if (Holds(tasks, kLateFailureId)) throw std::bad_alloc();
    }

   private:
    static bool Holds(std::span<const SequenceTask> tasks, int32_t id) {
      return std::any_of(tasks.begin(), tasks.end(), [id](const SequenceTask& task) {
        const std::vector<int32_t>& ids = task.sequence->input_ids;
        return std::find(ids.begin(), ids.end(), id) != ids.end();
      });
    }

    FaultyRunner* faults_;
    std::unique_ptr<Session> real_;
  };

  void GetStuck() {
    std::unique_lock lock(mutex_);
    ++stuck_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return released_; });
  }

  const std::unique_ptr<BatchRunner> real_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
  int stuck_ = 0;
};

}  // namespace attendant

#endif  // ATTENDANT_TESTS_TESTING_FAULTY_RUNNER_H_
