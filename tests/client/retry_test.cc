#include "client/lib/retry.h"

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "tests/client/fake_clock.h"

namespace attendant::client {
namespace {

absl::Status Refused(std::optional<Milliseconds> hint) {
  absl::Status status = absl::ResourceExhaustedError("full");
  if (hint.has_value()) SetRetryAfter(*hint, &status);
  return status;
}

// Runs CallWithRetries over a list of outcomes; what is left in the list was never reached.
struct Script {
  std::deque<absl::Status> outcomes;
  FakeClock clock;
  RetryPolicy policy;

  absl::Status Run(Milliseconds deadline) {
    return CallWithRetries(policy, 7, clock, clock.Now() + deadline, [this] {
      absl::Status status = outcomes.front();
      outcomes.pop_front();
      return status;
    });
  }
};

TEST(RetryTest, TheHintTravelsInTheStatus) {
  EXPECT_EQ(RetryAfter(Refused(Milliseconds(250))), Milliseconds(250));
  EXPECT_EQ(RetryAfter(Refused(std::nullopt)), std::nullopt);
  EXPECT_EQ(RetryAfter(absl::OkStatus()), std::nullopt);
}

TEST(RetryTest, OnlyWhatMayGetBetterIsRetryable) {
  EXPECT_TRUE(IsRetryable(absl::UnavailableError("")));
  EXPECT_TRUE(IsRetryable(absl::CancelledError("")));  // by a server that is closing
  EXPECT_TRUE(IsRetryable(Refused(Milliseconds(1))));
  EXPECT_FALSE(IsRetryable(Refused(std::nullopt)));  // such as a message over the size limit
  for (const absl::Status& status :
       {absl::InvalidArgumentError(""), absl::DeadlineExceededError(""), absl::InternalError(""), absl::OkStatus()}) {
    EXPECT_FALSE(IsRetryable(status)) << status;
  }
}

TEST(BackoffTest, WaitsGrowToTheCapWithinTheJitterBand) {
  Backoff backoff({.initial_backoff = Milliseconds(100), .max_backoff = Milliseconds(1000)}, 1);
  for (const int64_t base : {100, 200, 400, 800, 1000, 1000, 1000}) {
    const Milliseconds wait = backoff.Next(std::nullopt);
    EXPECT_GE(wait.count(), base / 2);
    EXPECT_LE(wait.count(), base);
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(std::nullopt).count(), 100);
}

TEST(BackoffTest, DifferentSeedsWaitDifferently) {
  std::set<int64_t> waits;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    waits.insert(Backoff({.initial_backoff = Milliseconds(4000)}, seed).Next(std::nullopt).count());
  }
  EXPECT_GT(waits.size(), 15u);
}

TEST(BackoffTest, NeverComesBackBeforeTheHint) {
  Backoff backoff({.initial_backoff = Milliseconds(100)}, 3);
  for (int i = 0; i < 50; ++i) {
    const Milliseconds wait = backoff.Next(Milliseconds(700));
    EXPECT_GE(wait, Milliseconds(700));
    EXPECT_LE(wait, Milliseconds(700 + 2500));
  }
}

TEST(BackoffTest, ManyFailuresStayFinite) {
  Backoff backoff({.multiplier = 10.0}, 3);
  for (int i = 0; i < 2000; ++i) EXPECT_LE(backoff.Next(std::nullopt), Milliseconds(5000));
}

TEST(CallWithRetriesTest, TriesAgainUntilItWorks) {
  Script script{.outcomes = {absl::UnavailableError("1"), Refused(Milliseconds(300)), absl::OkStatus()},
                .clock = {},
                .policy = {}};
  EXPECT_TRUE(script.Run(Milliseconds(10'000)).ok());
  ASSERT_EQ(script.clock.sleeps().size(), 2u);
  EXPECT_GE(script.clock.sleeps()[1], Milliseconds(300));
}

TEST(CallWithRetriesTest, GivesUpAfterTheLastAttempt) {
  Script script{.outcomes = {}, .clock = {}, .policy = {.max_attempts = 3}};
  for (int i = 0; i < 5; ++i) script.outcomes.push_back(absl::UnavailableError("down"));
  EXPECT_TRUE(absl::IsUnavailable(script.Run(Milliseconds(60'000))));
  EXPECT_EQ(script.outcomes.size(), 2u);
}

TEST(CallWithRetriesTest, DoesNotRepeatWhatCannotWork) {
  Script script{.outcomes = {absl::InvalidArgumentError("no"), absl::OkStatus()}, .clock = {}, .policy = {}};
  EXPECT_TRUE(absl::IsInvalidArgument(script.Run(Milliseconds(10'000))));
  EXPECT_TRUE(script.clock.sleeps().empty());
}

TEST(CallWithRetriesTest, DoesNotWaitForADeadlineItCannotMake) {
  Script script{.outcomes = {Refused(Milliseconds(5'000)), absl::OkStatus()}, .clock = {}, .policy = {}};
  EXPECT_TRUE(absl::IsResourceExhausted(script.Run(Milliseconds(4'000))));
  EXPECT_TRUE(script.clock.sleeps().empty());
}

TEST(CallWithRetriesTest, AnAbsurdHintDoesNotOverflow) {
  Script script{.outcomes = {Refused(Milliseconds(INT64_MAX / 4)), absl::OkStatus()}, .clock = {}, .policy = {}};
  EXPECT_TRUE(absl::IsResourceExhausted(script.Run(Milliseconds(4'000))));
}

}  // namespace
}  // namespace attendant::client
