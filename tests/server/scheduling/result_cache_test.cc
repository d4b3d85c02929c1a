#include "server/scheduling/result_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace attendant {
namespace {

SequenceResult Result(float value, size_t floats) {
  SequenceResult result;
  result.embedding.assign(floats, value);
  return result;
}

TEST(ResultCache, GivesBackWhatWasPutIn) {
  ResultCache cache(1 << 20);
  EXPECT_EQ(cache.Find("a"), nullptr);
  SequenceResult result = Result(1, 8);
  result.additional = {{2, 3}, {4}};
  cache.Insert("a", result);
  const auto found = cache.Find("a");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->embedding, result.embedding);
  EXPECT_EQ(found->additional, result.additional);
  EXPECT_EQ(cache.Find("b"), nullptr);
  EXPECT_EQ(cache.stats().hits, 1);
  EXPECT_EQ(cache.stats().misses, 2);
  EXPECT_EQ(cache.stats().entries, 1);
}

TEST(ResultCache, WithoutMemoryKeepsNothing) {
  ResultCache cache(0);
  EXPECT_FALSE(cache.enabled());
  cache.Insert("a", Result(1, 8));
  EXPECT_EQ(cache.Find("a"), nullptr);
  EXPECT_EQ(cache.stats().misses, 0);
}

TEST(ResultCache, StaysWithinItsBytesAndDropsWhatWasNotAskedForLongest) {
  constexpr int64_t kBytes = 64 * 1024;  // one shard
  ResultCache cache(kBytes);
  cache.Insert("keep", Result(7, 256));
  for (int i = 0; i < 1000; ++i) {
    cache.Insert("key" + std::to_string(i), Result(static_cast<float>(i), 256));
    EXPECT_NE(cache.Find("keep"), nullptr) << i;
    EXPECT_LE(cache.stats().bytes, kBytes);
  }
  EXPECT_EQ(cache.Find("key0"), nullptr);
  EXPECT_NE(cache.Find("key999"), nullptr);
  const CacheStats stats = cache.stats();
  EXPECT_EQ(stats.entries + stats.evictions, 1001);
  EXPECT_GT(stats.bytes, kBytes / 2) << "and uses them";
}

TEST(ResultCache, WhatIsLargerThanAllOfItIsNotKept) {
  ResultCache cache(64 * 1024);
  cache.Insert("small", Result(1, 8));
  cache.Insert("large", Result(1, 64 * 1024));
  EXPECT_EQ(cache.Find("large"), nullptr);
  EXPECT_NE(cache.Find("small"), nullptr) << "and drops nothing for it";
}

TEST(ResultCache, ManyThreadsMayUseIt) {
  ResultCache cache(32 << 20);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::string key = std::to_string((i * 7 + t) % 500);
        if (const auto found = cache.Find(key)) {
          EXPECT_EQ(found->embedding[0], std::stof(key));
        } else {
          cache.Insert(key, Result(std::stof(key), 64));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.stats().entries, 500);
  EXPECT_EQ(cache.stats().hits + cache.stats().misses, 8000);
}

}  // namespace
}  // namespace attendant
