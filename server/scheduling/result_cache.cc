#include "server/scheduling/result_cache.h"

#include <algorithm>

namespace attendant {
namespace {

constexpr int64_t kMinShardBytes = 1 << 20;  // a smaller one would hold too few results to choose among
// List node, map node, bucket, the result with its control block, and the allocator's share of each: measured some 350.
constexpr int64_t kEntryBytes = 512;

int64_t BytesOf(const WorkKey& key, const SequenceResult& result) {
  size_t floats = result.embedding.size();
  for (const std::vector<float>& values : result.additional) floats += values.size() + sizeof(values) / sizeof(float);
  return kEntryBytes + static_cast<int64_t>(key.size() + floats * sizeof(float));
}

}  // namespace

ResultCache::ResultCache(int64_t max_bytes)
    : num_shards_(static_cast<size_t>(std::clamp<int64_t>(max_bytes / kMinShardBytes, 1, kMaxShards))),
      max_shard_bytes_(max_bytes / static_cast<int64_t>(num_shards_)) {}

ResultCache::Shard& ResultCache::ShardOf(const WorkKey& key) {
  // Other bits than those that the map looks at.
  return shards_[(absl::Hash<std::string_view>()(key) >> 40) % num_shards_];
}

std::shared_ptr<const SequenceResult> ResultCache::Find(const WorkKey& key) {
  if (!enabled()) return nullptr;
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.by_key.find(key);
  if (found == shard.by_key.end()) {
    ++shard.stats.misses;
    return nullptr;
  }
  ++shard.stats.hits;
  shard.entries.splice(shard.entries.begin(), shard.entries, found->second);
  return found->second->result;
}

void ResultCache::Insert(const WorkKey& key, const SequenceResult& result) {
  const int64_t bytes = BytesOf(key, result);
  if (!enabled() || bytes > max_shard_bytes_) return;
  auto kept = std::make_shared<const SequenceResult>(result);
  std::list<Entry> evicted;  // freed behind the lock
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  if (shard.by_key.count(key) > 0) return;
  shard.entries.push_front({key, std::move(kept), bytes});
  shard.by_key.emplace(shard.entries.front().key, shard.entries.begin());
  shard.stats.bytes += bytes;
  while (shard.stats.bytes > max_shard_bytes_) {
    const auto last = std::prev(shard.entries.end());
    shard.stats.bytes -= last->bytes;
    ++shard.stats.evictions;
    shard.by_key.erase(last->key);
    evicted.splice(evicted.begin(), shard.entries, last);
  }
}

CacheStats ResultCache::stats() const {
  CacheStats sum;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    sum.hits += shard.stats.hits;
    sum.misses += shard.stats.misses;
    sum.evictions += shard.stats.evictions;
    sum.entries += static_cast<int64_t>(shard.entries.size());
    sum.bytes += shard.stats.bytes;
  }
  return sum;
}

}  // namespace attendant
