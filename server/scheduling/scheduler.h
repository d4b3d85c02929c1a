// Admission, queue and workers: calls of tokenised items in, results out through callbacks.
//
// It knows tokens, deadlines, cancellation and callbacks; nothing of transports. Policy lives in Admission and
// WorkQueue (pure, single-threaded, fake clock in tests); this class is the mechanism: a mutex, threads, callbacks.
// Thread-safety: every member may be called from any thread. `done` callbacks run on worker threads (or on the thread
// that calls Submit/Shutdown for work that never ran), exactly once per item, never under the scheduler's lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_SCHEDULER_H_
#define ATTENDANT_SERVER_SCHEDULING_SCHEDULER_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/sequence.h"
#include "server/scheduling/batch_runner.h"

namespace attendant {

using SteadyTime = std::chrono::steady_clock::time_point;
using Microseconds = std::chrono::microseconds;
using SchedulerClock = std::function<SteadyTime()>;

// Set once by the transport when the caller has gone; read by queue and workers.
class CancelToken {
 public:
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

struct WorkCost {
  Microseconds queue{0};
  Microseconds compute{0};
  int32_t batch_items = 0;
  int32_t batch_tokens = 0;
};

// status: OK, CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE (shut down before it ran), or the engine's own for this item.
struct WorkResult {
  absl::Status status;
  SequenceResult output;
  WorkCost cost;
};

struct WorkItem {
  TokenSequence sequence;
  std::optional<EmbedSpec> embed;
  std::optional<AttentionSpec> attention;
  std::function<void(WorkResult)> done;
};

// Items that were asked for together; admitted together or not at all.
struct WorkCall {
  std::vector<WorkItem> items;
  SteadyTime deadline = SteadyTime::max();
  std::shared_ptr<const CancelToken> cancel;  // may be null
};

// The answer to Submit. When refused, no `done` of the call was or will be called.
struct AdmissionResult {
  absl::Status status;  // OK, RESOURCE_EXHAUSTED (names limit and flag), UNAVAILABLE (draining),
                        // DEADLINE_EXCEEDED (already over)
  // With RESOURCE_EXHAUSTED and UNAVAILABLE. 0: the call can never be admitted, trying again does not help.
  std::chrono::milliseconds retry_after{0};
};

struct SchedulerOptions {
  int num_workers = 1;
  int32_t max_batch_tokens = 512;  // of one micro-batch; one longer item still runs alone
  int32_t max_batch_items = 256;
  int64_t max_queued_tokens = 262'144;  // --max-queued-tokens
  int64_t max_queued_items = 16'384;    // --max-queued-items
  // Queued work is cut into a batch for each idle worker as long as every batch has this many tokens (cost_model.h).
  int32_t min_share_tokens = 32;
  Microseconds max_batch_delay{0};  // wait for company when a batch is not full; 0: never
  // A call without a deadline is ordered as if it were due this long after its arrival, one with a later deadline, too:
  // nobody is overtaken for longer than this.
  Microseconds patience{5'000'000};
  SchedulerClock clock = &std::chrono::steady_clock::now;  // another one in tests
};

// A consistent snapshot for metrics and logs.
struct SchedulerStats {
  int64_t queued_items = 0;
  int64_t queued_tokens = 0;
  int64_t running_items = 0;
  int idle_workers = 0;
};

// Where an item was when it turned out that nobody wants it any more.
enum class DropStage { kQueue, kCompute };

// Called by workers; implementations must be thread-safe and quick. Metrics hang here.
class SchedulerObserver {
 public:
  virtual ~SchedulerObserver() = default;
  virtual void OnBatch(int32_t items, int32_t tokens, Microseconds compute) {}
  // reason: CANCELLED, DEADLINE_EXCEEDED or UNAVAILABLE (shut down).
  virtual void OnDropped(absl::StatusCode reason, DropStage stage, int32_t items, int32_t tokens) {}
};

class Scheduler {
 public:
  // runner and observer (may be null) must outlive the scheduler.
  Scheduler(const SchedulerOptions& options, BatchRunner* runner, SchedulerObserver* observer);
  ~Scheduler();  // Shutdown

  AdmissionResult Submit(WorkCall call);

  // From now on Submit answers UNAVAILABLE; admitted work goes on.
  void Drain();
  // Waits until nothing is queued or running, at most until the given time; true: all done.
  bool WaitIdle(SteadyTime until);
  // Ends the workers; what is still queued completes with UNAVAILABLE, running batches are finished. May be called more
  // than once, but not from a `done` callback.
  void Shutdown();

  SchedulerStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_SCHEDULER_H_
