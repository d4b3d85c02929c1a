// Between the doors and the scheduler: identical items that are under way are computed once, and, if there is a cache,
// results that are known are not computed at all. The bytes are the same either way, because a result depends on its
// item only.
//
// Who joins keeps his own deadline, cancellation and answer: the work goes on while anybody waits for it
// (joint_work.h). He joins only what would be served no later than work of his own, so joining never makes a call late.
// Admission counts what is added to the queue: a call of known or joined items only is not refused. It is not: tied to
// transports. Thread-safety: all members. It must outlive the schedulers that work for it.
#ifndef ATTENDANT_SERVER_SCHEDULING_WORK_SHARING_H_
#define ATTENDANT_SERVER_SCHEDULING_WORK_SHARING_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "absl/hash/hash.h"
#include "server/scheduling/joint_work.h"
#include "server/scheduling/result_cache.h"
#include "server/scheduling/scheduler.h"

namespace attendant {

struct SharingOptions {
  bool join_identical = true;  // --share-identical-items
  int64_t cache_bytes = 0;     // --embedding-cache-bytes
};

struct SharingStats {
  int64_t joined_items = 0;
  int64_t cache_limit_bytes = 0;
  CacheStats cache;
};

class WorkSharing {
 public:
  explicit WorkSharing(const SharingOptions& options) : options_(options), cache_(options.cache_bytes) {}

  // As Scheduler::Submit, whose results it passes on; of known items `done` is called here.
  AdmissionResult Submit(Scheduler* scheduler, WorkCall call);

  SharingStats stats() const;

 private:
  static constexpr size_t kShards = 16;
  // Calls that have joined work and do not know yet whether they are admitted.
  class Verdict;
  struct Plan;

  struct Shard {
    std::mutex mutex;
    std::unordered_map<WorkKey, std::shared_ptr<JointWork>, absl::Hash<WorkKey>> under_way;
  };

  Shard& ShardOf(const WorkKey& key) { return shards_[(absl::Hash<WorkKey>()(key) >> 48) % kShards]; }
  void PlanItem(const WorkCall& call, WorkItem item, Plan* plan);
  bool JoinOther(const WorkCall& call, const WorkKey& key, WorkItem* item, Plan* plan);
  // Makes work that was admitted known, so that others can join it.
  void Register(const WorkKey& key, const std::shared_ptr<JointWork>& work);
  void Complete(const WorkKey& key, const std::shared_ptr<JointWork>& work, WorkResult result);
  static void Answer(std::vector<JointWork::Owner> owners, WorkResult result);

  const SharingOptions options_;
  ResultCache cache_;
  std::array<Shard, kShards> shards_;
  std::atomic<int64_t> joined_{0};
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_WORK_SHARING_H_
