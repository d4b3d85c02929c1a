#include "server/scheduling/admission.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const SteadyTime kNow = SteadyTime(std::chrono::seconds(100));

SchedulerOptions SmallQueue() {
  SchedulerOptions options;
  options.num_workers = 2;
  options.max_queued_tokens = 1000;
  options.max_queued_items = 10;
  return options;
}

std::string Message(const AdmissionResult& result) { return std::string(result.status.message()); }

TEST(Admission, FillsTheQueueToTheLastTokenAndItem) {
  const Admission admission(SmallQueue());
  EXPECT_TRUE(admission.Check({.items = 1, .tokens = 1000}, {}, kNow).status.ok());
  EXPECT_TRUE(admission.Check({.items = 10, .tokens = 10}, {}, kNow).status.ok());
  EXPECT_TRUE(admission.Check({.items = 4, .tokens = 400}, {.items = 6, .tokens = 600}, kNow).status.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(
      admission.Check({.items = 4, .tokens = 401}, {.items = 6, .tokens = 600}, kNow).status));
  EXPECT_TRUE(
      absl::IsResourceExhausted(admission.Check({.items = 5, .tokens = 5}, {.items = 6, .tokens = 6}, kNow).status));
}

TEST(Admission, OverloadNamesLimitAndFlagAndSaysWhenToComeBack) {
  const Admission admission(SmallQueue());
  const AdmissionResult tokens = admission.Check({.items = 1, .tokens = 300}, {.items = 2, .tokens = 900}, kNow);
  EXPECT_THAT(Message(tokens),
              AllOf(HasSubstr("900 of at most 1000 tokens"), HasSubstr("--max-queued-tokens"), HasSubstr("try again")));
  EXPECT_GT(tokens.retry_after, milliseconds(0));
  const AdmissionResult items = admission.Check({.items = 3, .tokens = 3}, {.items = 9, .tokens = 9}, kNow);
  EXPECT_THAT(Message(items), AllOf(HasSubstr("9 of at most 10 items"), HasSubstr("--max-queued-items")));
  EXPECT_GT(items.retry_after, milliseconds(0));
}

TEST(Admission, WhatCanNeverFitIsToldSoWithoutHint) {
  const Admission admission(SmallQueue());
  const AdmissionResult tokens = admission.Check({.items = 1, .tokens = 1001}, {}, kNow);
  EXPECT_TRUE(absl::IsResourceExhausted(tokens.status));
  EXPECT_THAT(Message(tokens), AllOf(HasSubstr("1001 tokens"), HasSubstr("1000"), HasSubstr("--max-queued-tokens"),
                                     HasSubstr("never"), Not(HasSubstr("try again"))));
  EXPECT_EQ(tokens.retry_after, milliseconds(0));
  const AdmissionResult items = admission.Check({.items = 11, .tokens = 11}, {}, kNow);
  EXPECT_THAT(Message(items), AllOf(HasSubstr("11 items"), HasSubstr("--max-queued-items"), HasSubstr("never")));
  EXPECT_EQ(items.retry_after, milliseconds(0));
}

TEST(Admission, DeadlineThatIsOverIsNotQueued) {
  const Admission admission(SmallQueue());
  EXPECT_TRUE(absl::IsDeadlineExceeded(admission.Check({.items = 1, .tokens = 1, .deadline = kNow}, {}, kNow).status));
  EXPECT_TRUE(admission.Check({.items = 1, .tokens = 1, .deadline = kNow + Microseconds(1)}, {}, kNow).status.ok());
}

TEST(Admission, DrainingRefusesEverything) {
  Admission admission(SmallQueue());
  admission.StartDraining();
  const AdmissionResult result = admission.Check({.items = 1, .tokens = 1}, {}, kNow);
  EXPECT_TRUE(absl::IsUnavailable(result.status));
  EXPECT_GT(result.retry_after, milliseconds(0));
}

TEST(Admission, RetryHintFollowsTheMeasuredSpeed) {
  SchedulerOptions options = SmallQueue();
  options.max_queued_tokens = 100'000;
  options.max_queued_items = 100'000;
  Admission admission(options);
  // 1,000 tokens in 100 ms on each of two workers: 20,000 tokens/s.
  for (int i = 0; i < 200; ++i) admission.RecordBatch(1000, milliseconds(100));
  EXPECT_NEAR(admission.tokens_per_second(), 20'000, 200);
  const Admission::Call call{.items = 1, .tokens = 50'000};
  // 40,000 tokens must go before it fits: 2 s.
  EXPECT_NEAR(admission.Check(call, {.items = 10, .tokens = 90'000}, kNow).retry_after.count(), 2000, 30);
  // Ten times slower would be 20 s; no hint is longer than 5 s.
  for (int i = 0; i < 200; ++i) admission.RecordBatch(1000, milliseconds(1000));
  EXPECT_EQ(admission.Check(call, {.items = 10, .tokens = 90'000}, kNow).retry_after, milliseconds(5000));
  // Ever so fast: never less than 10 ms.
  for (int i = 0; i < 200; ++i) admission.RecordBatch(100'000'000, milliseconds(1));
  EXPECT_EQ(admission.Check(call, {.items = 10, .tokens = 90'000}, kNow).retry_after, milliseconds(10));
}

TEST(Admission, BatchesWithoutTokensOrTimeDoNotSpoilTheSpeed) {
  Admission admission(SmallQueue());
  const double before = admission.tokens_per_second();
  admission.RecordBatch(0, milliseconds(100));
  admission.RecordBatch(100, milliseconds(0));
  EXPECT_EQ(admission.tokens_per_second(), before);
  EXPECT_GT(before, 0);
}

TEST(Admission, ItemBudgetHintCountsTheItemsTokens) {
  Admission admission(SmallQueue());
  for (int i = 0; i < 200; ++i) admission.RecordBatch(100, milliseconds(1000));  // 200 tokens/s together
  // 3 items too many of 90 tokens each on average.
  const AdmissionResult result = admission.Check({.items = 3, .tokens = 3}, {.items = 10, .tokens = 900}, kNow);
  EXPECT_NEAR(result.retry_after.count(), 1350, 30);
}

}  // namespace
}  // namespace attendant
