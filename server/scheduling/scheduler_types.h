// The words that the parts of the scheduler share: calls and items of work, their results, time.
#ifndef ATTENDANT_SERVER_SCHEDULING_SCHEDULER_TYPES_H_
#define ATTENDANT_SERVER_SCHEDULING_SCHEDULER_TYPES_H_

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
#include "server/scheduling/service_class.h"

namespace attendant {

class JointWork;
class ModelRuntime;

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

// Was it computed for this caller, with others who had asked for the same, or before?
enum class WorkOrigin { kComputed, kShared, kCached };

struct WorkCost {
  Microseconds queue{0};
  Microseconds compute{0};
  int32_t batch_items = 0;
  int32_t batch_tokens = 0;
  WorkOrigin origin = WorkOrigin::kComputed;
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
  std::vector<EmbedSpec> additional;  // beside embed only
  std::optional<AttentionSpec> attention;
  std::function<void(WorkResult)> done;
  // Set where others may wait for it, too: it is wanted as long as one of them is there, whatever became of its call.
  std::shared_ptr<JointWork> joint;
};

// Items that were asked for together; admitted together or not at all.
struct WorkCall {
  std::vector<WorkItem> items;
  std::shared_ptr<ModelRuntime> runtime;  // never null
  ServiceClass service_class = ServiceClass::kInteractive;
  std::string flow;  // whom to be fair to: calls of one flow share one share
  SteadyTime deadline = SteadyTime::max();
  std::shared_ptr<const CancelToken> cancel;  // may be null
};

// Why a call was not admitted; a label of metrics.
enum class Refusal { kNone, kTooLarge, kQueueFull, kShed, kDeadline, kExpired, kDraining };
inline constexpr int kNumRefusals = 7;

// The answer to Submit. When refused, no `done` of the call was or will be called.
struct AdmissionResult {
  absl::Status status;  // OK, RESOURCE_EXHAUSTED (names limit and flag, or the deadline that cannot be kept),
                        // UNAVAILABLE (draining), DEADLINE_EXCEEDED (already over)
  // With RESOURCE_EXHAUSTED and UNAVAILABLE. 0: the call can never be admitted, trying again does not help.
  std::chrono::milliseconds retry_after{0};
  Refusal reason = Refusal::kNone;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_SCHEDULER_TYPES_H_
