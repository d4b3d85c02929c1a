// Results of work that was done before, up to so many bytes; what was not asked for longest goes first.
//
// Bytes count keys, values and what keeps them. Split by key into shards, each with its own lock, which is held for a
// look-up and never while values are copied. Thread-safety: all members.
#ifndef ATTENDANT_SERVER_SCHEDULING_RESULT_CACHE_H_
#define ATTENDANT_SERVER_SCHEDULING_RESULT_CACHE_H_

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/hash/hash.h"
#include "engine/sequence.h"
#include "server/scheduling/work_key.h"

namespace attendant {

struct CacheStats {
  int64_t hits = 0;
  int64_t misses = 0;
  int64_t evictions = 0;
  int64_t entries = 0;
  int64_t bytes = 0;
};

class ResultCache {
 public:
  // max_bytes 0: it keeps nothing.
  explicit ResultCache(int64_t max_bytes);

  bool enabled() const { return max_shard_bytes_ > 0; }
  // Null: it is not there.
  std::shared_ptr<const SequenceResult> Find(const WorkKey& key);
  // A good result. One that would take more than a shard is not kept.
  void Insert(const WorkKey& key, const SequenceResult& result);
  CacheStats stats() const;

 private:
  static constexpr size_t kMaxShards = 16;

  struct Entry {
    WorkKey key;
    std::shared_ptr<const SequenceResult> result;
    int64_t bytes = 0;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::list<Entry> entries;  // the last asked for first
    std::unordered_map<std::string_view, std::list<Entry>::iterator, absl::Hash<std::string_view>> by_key;
    CacheStats stats;
  };

  Shard& ShardOf(const WorkKey& key);

  size_t num_shards_;
  int64_t max_shard_bytes_;
  std::array<Shard, kMaxShards> shards_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_RESULT_CACHE_H_
