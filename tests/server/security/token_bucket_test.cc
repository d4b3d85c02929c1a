#include "server/security/token_bucket.h"

#include <gtest/gtest.h>

#include <random>

namespace attendant {
namespace {

using Kind = QuotaVerdict::Kind;
using std::chrono::milliseconds;

constexpr TokenBucket::Time kStart{std::chrono::hours(1)};

TEST(TokenBucket, BeginsFullAndHoldsTwoSeconds) {
  TokenBucket bucket(100);
  EXPECT_EQ(bucket.Take(150, 10, kStart).kind, Kind::kTaken);
  EXPECT_EQ(bucket.Take(50, 10, kStart).kind, Kind::kTaken);
  EXPECT_EQ(bucket.Take(1, 10, kStart).kind, Kind::kLater);
}

TEST(TokenBucket, SaysWhenThereWillBeEnough) {
  TokenBucket bucket(100);
  ASSERT_EQ(bucket.Take(200, 10, kStart).kind, Kind::kTaken);
  const QuotaVerdict later = bucket.Take(50, 10, kStart + milliseconds(100));
  ASSERT_EQ(later.kind, Kind::kLater);
  EXPECT_EQ(later.retry_after, milliseconds(400));
  EXPECT_EQ(bucket.Take(50, 10, kStart + milliseconds(499)).kind, Kind::kLater);
  EXPECT_EQ(bucket.Take(50, 10, kStart + milliseconds(500)).kind, Kind::kTaken);
}

TEST(TokenBucket, WhatExceedsTheBurstIsNeverAccepted) {
  TokenBucket bucket(100);
  const QuotaVerdict never = bucket.Take(201, 10, kStart);
  EXPECT_EQ(never.kind, Kind::kNever);
  EXPECT_EQ(never.burst, 200);
  EXPECT_EQ(bucket.Take(200, 10, kStart).kind, Kind::kTaken) << "nothing was taken before";
}

TEST(TokenBucket, AnItemOfTheLargestSizeAlwaysFitsOnce) {
  TokenBucket bucket(1);
  EXPECT_EQ(bucket.Take(512, 512, kStart).kind, Kind::kTaken);
  const QuotaVerdict later = bucket.Take(512, 512, kStart);
  ASSERT_EQ(later.kind, Kind::kLater);
  EXPECT_EQ(later.retry_after, milliseconds(512'000));
  EXPECT_EQ(bucket.Take(512, 512, kStart + later.retry_after).kind, Kind::kTaken);
}

TEST(TokenBucket, ALargerModelMakesALargerBucket) {
  TokenBucket bucket(10);
  EXPECT_EQ(bucket.Take(20, 5, kStart).kind, Kind::kTaken);
  EXPECT_EQ(bucket.Take(500, 512, kStart).kind, Kind::kLater) << "20 of the 512 are spent";
  EXPECT_EQ(bucket.Take(492, 512, kStart).kind, Kind::kTaken);
}

TEST(TokenBucket, GivesBackNoMoreThanItHolds) {
  TokenBucket bucket(100);
  ASSERT_EQ(bucket.Take(50, 10, kStart).kind, Kind::kTaken);
  bucket.GiveBack(50);
  bucket.GiveBack(1000);
  EXPECT_EQ(bucket.Take(200, 10, kStart).kind, Kind::kTaken);
  EXPECT_EQ(bucket.Take(1, 10, kStart).kind, Kind::kLater);
}

TEST(TokenBucket, ANewRateKeepsWhatIsInIt) {
  TokenBucket bucket(100);
  ASSERT_EQ(bucket.Take(200, 10, kStart).kind, Kind::kTaken);
  bucket.SetRate(1000);
  EXPECT_EQ(bucket.Take(100, 10, kStart).kind, Kind::kLater) << "a re-read fills no bucket";
  EXPECT_EQ(bucket.Take(100, 10, kStart + milliseconds(100)).kind, Kind::kTaken);
  bucket.SetRate(1);
  EXPECT_EQ(bucket.Take(11, 10, kStart + milliseconds(100)).kind, Kind::kNever);
}

TEST(TokenBucket, AClockThatStandsOrGoesBackGivesNothing) {
  TokenBucket bucket(100);
  ASSERT_EQ(bucket.Take(200, 10, kStart).kind, Kind::kTaken);
  EXPECT_EQ(bucket.Take(1, 10, kStart - milliseconds(500)).kind, Kind::kLater);
  EXPECT_EQ(bucket.Take(1, 10, kStart).kind, Kind::kLater);
}

// Whatever is asked for and when: in any span of time no more is given than the rate plus one burst.
TEST(TokenBucket, NeverExceedsTheQuota) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    const int64_t rate = 1 + static_cast<int64_t>(random() % 1000);
    const int64_t largest = 1 + static_cast<int64_t>(random() % 3000);
    TokenBucket bucket(rate);
    TokenBucket::Time now = kStart;
    int64_t given = 0;
    for (int i = 0; i < 500; ++i) {
      now += std::chrono::microseconds(random() % 50'000);
      const auto tokens = static_cast<int64_t>(random() % 3000);
      const QuotaVerdict verdict = bucket.Take(tokens, largest, now);
      if (verdict.kind == Kind::kTaken) given += tokens;
      if (verdict.kind == Kind::kLater && random() % 4 == 0) {
        now += verdict.retry_after;
        ASSERT_EQ(bucket.Take(tokens, largest, now).kind, Kind::kTaken) << "the promise holds";
        given += tokens;
      }
      const double seconds = std::chrono::duration<double>(now - kStart).count();
      ASSERT_LE(static_cast<double>(given),
                seconds * static_cast<double>(rate) + static_cast<double>(verdict.burst) + 1);
    }
  }
}

}  // namespace
}  // namespace attendant
