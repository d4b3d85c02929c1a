// What the scheduler knows of one loaded model: a session for each worker, and what its work costs. One scheduler
// serves any number of models; calls keep their model's runtime alive, so that a model that was swapped out goes with
// its last call.
//
// Thread-safety: SessionOf(i) belongs to worker i; cost and options are immutable once it is shared; the correction is
// the scheduler's, under its lock.
#ifndef ATTENDANT_SERVER_SCHEDULING_MODEL_RUNTIME_H_
#define ATTENDANT_SERVER_SCHEDULING_MODEL_RUNTIME_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "server/scheduling/batch_runner.h"
#include "server/scheduling/cost_model.h"

namespace attendant {

struct ModelQuota {
  double weight = 1;  // its share of the compute time beside other models that have work queued
  int64_t max_queued_tokens = std::numeric_limits<int64_t>::max();
};

// What a model has done since it was loaded.
struct ModelUse {
  int64_t batches = 0;
  int64_t items = 0;
  int64_t tokens = 0;
  Microseconds compute{0};  // summed over workers
};

class ModelRuntime {
 public:
  // Makes all sessions now: no request pays for one, and memory is known at load.
  // num_layers: how often a batch asks whether its items are still wanted.
  ModelRuntime(std::unique_ptr<BatchRunner> runner, int num_workers, int32_t num_layers, const ModelQuota& quota = {})
      : runner_(std::move(runner)), num_layers_(num_layers), quota_(quota) {
    for (int i = 0; i < num_workers; ++i) sessions_.push_back(runner_->NewSession());
  }

  // Before it is shared.
  void Calibrate(int32_t max_tokens, const SchedulerClock& clock) {
    cost_ = MeasureCost(*sessions_.front(), max_tokens, clock);
  }

  // Of no other runtime of this process, before or after.
  uint64_t id() const { return id_; }
  BatchRunner::Session& SessionOf(int worker) { return *sessions_[static_cast<size_t>(worker)]; }
  // One for somebody else than a worker: a self-check, a probe.
  std::unique_ptr<BatchRunner::Session> NewSession() { return runner_->NewSession(); }
  int num_workers() const { return static_cast<int>(sessions_.size()); }
  const CostModel& cost() const { return cost_; }
  int32_t num_layers() const { return num_layers_; }
  const ModelQuota& quota() const { return quota_; }

  CostCorrection& correction() { return correction_; }
  const CostCorrection& correction() const { return correction_; }

  // Any thread; each number of use() is true of some moment, not all of the same.
  void CountBatch(int64_t items, int64_t tokens, Microseconds compute) {
    batches_.fetch_add(1, std::memory_order_relaxed);
    items_.fetch_add(items, std::memory_order_relaxed);
    tokens_.fetch_add(tokens, std::memory_order_relaxed);
    compute_us_.fetch_add(compute.count(), std::memory_order_relaxed);
  }
  ModelUse use() const {
    return {.batches = batches_.load(std::memory_order_relaxed),
            .items = items_.load(std::memory_order_relaxed),
            .tokens = tokens_.load(std::memory_order_relaxed),
            .compute = Microseconds(compute_us_.load(std::memory_order_relaxed))};
  }

 private:
  static uint64_t NextId() {
    static std::atomic<uint64_t> next{1};
    return next.fetch_add(1, std::memory_order_relaxed);
  }

  const uint64_t id_ = NextId();
  std::unique_ptr<BatchRunner> runner_;
  std::vector<std::unique_ptr<BatchRunner::Session>> sessions_;
  const int32_t num_layers_;
  const ModelQuota quota_;
  CostModel cost_;
  CostCorrection correction_;
  std::atomic<int64_t> batches_{0};
  std::atomic<int64_t> items_{0};
  std::atomic<int64_t> tokens_{0};
  std::atomic<int64_t> compute_us_{0};
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_MODEL_RUNTIME_H_
