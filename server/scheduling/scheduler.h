// Admission, queue and workers: calls of tokenised items in, results out through callbacks.
//
// It knows tokens, deadlines, cancellation and callbacks; nothing of transports. Policy lives in Admission and
// WorkQueue (pure, single-threaded, fake clock in tests); this class is the mechanism: a mutex, threads, callbacks.
// Thread-safety: every member may be called from any thread. `done` callbacks run on worker threads (or on the thread
// that calls Submit/Shutdown for work that never ran), exactly once per item, never under the scheduler's lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_SCHEDULER_H_
#define ATTENDANT_SERVER_SCHEDULING_SCHEDULER_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "server/scheduling/model_runtime.h"
#include "server/scheduling/scheduler_types.h"

namespace attendant {

struct SchedulerOptions {
  int num_workers = 1;
  int32_t max_batch_tokens = 512;  // of one micro-batch; one longer item still runs alone
  int32_t max_batch_items = 256;
  int64_t max_queued_tokens = 262'144;  // --max-queued-tokens
  int64_t max_queued_items = 16'384;    // --max-queued-items
  Microseconds max_batch_delay{0};      // wait for company when a batch is not full; 0: never
  // A call without a deadline is ordered as if it were due this long after its arrival, one with a later deadline, too:
  // nobody is overtaken for longer than this.
  Microseconds patience{5'000'000};
  // Of the compute time, what bulk work gets at least while interactive work leaves it less: --bulk-share-percent.
  double bulk_share = 0.1;
  SchedulerClock clock = &std::chrono::steady_clock::now;  // another one in tests
};

// How far the server is from accepting everything, by how full the queue is. A stage includes those before it.
enum class SheddingStage {
  kNone,
  kBulk,     // bulk calls are refused
  kStreams,  // new streams, too
  kAll,      // everything
};

// A consistent snapshot for metrics and logs.
struct SchedulerStats {
  struct Class {
    int64_t queued_items = 0;
    int64_t queued_tokens = 0;
  };
  std::array<Class, kNumServiceClasses> classes;  // by ServiceClass
  int64_t running_items = 0;
  int idle_workers = 0;
  SheddingStage shedding = SheddingStage::kNone;
  int64_t batches = 0;  // finished since the start

  int64_t queued_items() const { return classes[0].queued_items + classes[1].queued_items; }
  int64_t queued_tokens() const { return classes[0].queued_tokens + classes[1].queued_tokens; }
};

// Where an item was when it turned out that nobody wants it any more.
enum class DropStage { kQueue, kCompute };

struct BatchReport {
  int32_t items = 0;
  int32_t tokens = 0;
  Microseconds compute{0};
  double predicted_us = 0;  // of that time, beforehand; 0 when workers shared the batch: it is for one
};

struct DropReport {
  absl::StatusCode reason;  // CANCELLED, DEADLINE_EXCEEDED or UNAVAILABLE (shut down)
  DropStage stage;
  int32_t items = 0;
  int32_t tokens = 0;
  double saved_us = 0;  // predicted time of computing that did not happen
};

// Called by workers and submitters; implementations must be thread-safe and quick. Metrics hang here.
class SchedulerObserver {
 public:
  virtual ~SchedulerObserver() = default;
  virtual void OnBatch(const BatchReport& batch) {}
  virtual void OnDropped(const DropReport& drop) {}
  virtual void OnRefused(Refusal reason, ServiceClass service_class) {}
};

class Scheduler {
 public:
  // observer (may be null) must outlive the scheduler. Every runtime that a call brings has at least num_workers
  // sessions.
  Scheduler(const SchedulerOptions& options, SchedulerObserver* observer);
  ~Scheduler();  // Shutdown

  AdmissionResult Submit(WorkCall call);
  // May a stream of calls begin now? RESOURCE_EXHAUSTED from stage kStreams on, UNAVAILABLE when draining.
  AdmissionResult CheckStream();

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
