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
  Admission admission(SmallQueue());
  EXPECT_TRUE(admission.Check({.items = 1, .tokens = 1000}, {}, kNow).status.ok());
  EXPECT_TRUE(admission.Check({.items = 10, .tokens = 10}, {}, kNow).status.ok());
  EXPECT_TRUE(admission.Check({.items = 4, .tokens = 400}, {.items = 6, .tokens = 600}, kNow).status.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(
      admission.Check({.items = 4, .tokens = 401}, {.items = 6, .tokens = 600}, kNow).status));
  EXPECT_TRUE(
      absl::IsResourceExhausted(admission.Check({.items = 5, .tokens = 5}, {.items = 6, .tokens = 6}, kNow).status));
}

TEST(Admission, OverloadNamesLimitAndFlagAndSaysWhenToComeBack) {
  Admission admission(SmallQueue());
  const AdmissionResult tokens = admission.Check({.items = 1, .tokens = 300}, {.items = 2, .tokens = 900}, kNow);
  EXPECT_THAT(Message(tokens),
              AllOf(HasSubstr("900 of at most 1000 tokens"), HasSubstr("--max-queued-tokens"), HasSubstr("try again")));
  EXPECT_GT(tokens.retry_after, milliseconds(0));
  const AdmissionResult items = admission.Check({.items = 3, .tokens = 3}, {.items = 9, .tokens = 9}, kNow);
  EXPECT_THAT(Message(items), AllOf(HasSubstr("9 of at most 10 items"), HasSubstr("--max-queued-items")));
  EXPECT_GT(items.retry_after, milliseconds(0));
}

TEST(Admission, WhatCanNeverFitIsToldSoWithoutHint) {
  Admission admission(SmallQueue());
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
  Admission admission(SmallQueue());
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

// 100 ms of work ahead for two workers, and no worker free.
Admission::Load Busy() { return {.items = 5, .tokens = 500, .ahead_us = 100'000}; }

TEST(Admission, RefusesAtOnceWhatCannotMakeItsDeadlineAndSaysWhenToComeBack) {
  Admission admission(SmallQueue());
  // 50 ms of waiting and 20 ms of its own: 87.5 ms with the margin.
  Admission::Call call{
      .items = 1, .tokens = 10, .deadline = kNow + milliseconds(87), .cost_us = 20'000, .longest_us = 20'000};
  const AdmissionResult refused = admission.Check(call, Busy(), kNow);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status)) << refused.status;
  EXPECT_EQ(refused.reason, Refusal::kDeadline);
  EXPECT_THAT(Message(refused), AllOf(HasSubstr("87 ms"), HasSubstr("deadline"), HasSubstr("try again")));
  EXPECT_EQ(refused.retry_after, milliseconds(10));  // the shortest hint
  call.deadline = kNow + milliseconds(88);
  EXPECT_TRUE(admission.Check(call, Busy(), kNow).status.ok());
  call.deadline = kNow + milliseconds(37);
  EXPECT_EQ(admission.Check(call, Busy(), kNow).retry_after, milliseconds(50));
  call.deadline = SteadyTime::max();
  EXPECT_TRUE(admission.Check(call, Busy(), kNow).status.ok());
}

TEST(Admission, CountsHalfOfWhatRunsAndSpreadsACallsItemsOverTheWorkers) {
  Admission admission(SmallQueue());
  const Admission::Load running{.running_us = 80'000};  // 40 ms are left, 20 for each worker
  Admission::Call call{
      .items = 2, .tokens = 2, .deadline = kNow + milliseconds(38), .cost_us = 20'000, .longest_us = 10'000};
  EXPECT_TRUE(admission.Check(call, running, kNow).status.ok());
  call.longest_us = 15'000;
  EXPECT_FALSE(admission.Check(call, running, kNow).status.ok());
}

TEST(Admission, StretchesPredictionsByTheirError) {
  Admission admission(SmallQueue());
  EXPECT_NEAR(admission.margin(), 1.25, 1e-9);
  for (int i = 0; i < 100; ++i) admission.RecordPrediction(1000, Microseconds(i % 2 == 0 ? 1500 : 500));
  EXPECT_NEAR(admission.margin(), 1.65, 0.01);
  for (int i = 0; i < 100; ++i) admission.RecordPrediction(1000, Microseconds(1000));
  EXPECT_NEAR(admission.margin(), 1.15, 0.01);
  admission.RecordPrediction(0, Microseconds(1000));  // nobody predicted it
  for (int i = 0; i < 100; ++i) admission.RecordPrediction(1, Microseconds(1'000'000));
  EXPECT_NEAR(admission.margin(), 2, 0.01);
}

TEST(Admission, AnIdleServerTriesWhateverThePredictionSays) {
  Admission admission(SmallQueue());
  const Admission::Call call{
      .items = 1, .tokens = 10, .deadline = kNow + milliseconds(1), .cost_us = 1e9, .longest_us = 1e9};
  EXPECT_TRUE(admission.Check(call, {.idle_workers = 1}, kNow).status.ok());
  EXPECT_FALSE(admission.Check(call, {.idle_workers = 0}, kNow).status.ok());
}

TEST(Admission, DoesNotTakeAPlaceFromThoseItHasAccepted) {
  Admission admission(SmallQueue());
  Admission::Load load = Busy();
  load.delays_others = true;
  const AdmissionResult refused =
      admission.Check({.items = 1, .tokens = 1, .deadline = kNow + milliseconds(500)}, load, kNow);
  EXPECT_EQ(refused.reason, Refusal::kDeadline);
  EXPECT_THAT(Message(refused), HasSubstr("accepted"));
  EXPECT_GE(refused.retry_after, milliseconds(10));
}

TEST(Admission, ShedsBulkThenStreamsThenAllAndRecoversBelow) {
  Admission admission(SmallQueue());
  const auto refused = [&](int64_t queued, ServiceClass service_class) {
    return admission
        .Check({.items = 1, .tokens = 1, .service_class = service_class}, {.items = 1, .tokens = queued}, kNow)
        .reason;
  };
  EXPECT_EQ(refused(499, ServiceClass::kBulk), Refusal::kNone);
  EXPECT_EQ(refused(500, ServiceClass::kBulk), Refusal::kShed);
  EXPECT_EQ(refused(500, ServiceClass::kInteractive), Refusal::kNone);
  EXPECT_EQ(refused(400, ServiceClass::kBulk), Refusal::kShed) << "left too early";
  EXPECT_EQ(refused(399, ServiceClass::kBulk), Refusal::kNone);
  EXPECT_TRUE(admission.CheckStream({.items = 1, .tokens = 749}).status.ok());
  const AdmissionResult stream = admission.CheckStream({.items = 1, .tokens = 750});
  EXPECT_EQ(stream.reason, Refusal::kShed);
  EXPECT_THAT(Message(stream), AllOf(HasSubstr("new streams"), HasSubstr("75 %"), HasSubstr("--max-queued-tokens")));
  EXPECT_GE(stream.retry_after, milliseconds(10));
  EXPECT_EQ(refused(949, ServiceClass::kInteractive), Refusal::kNone);
  EXPECT_EQ(refused(950, ServiceClass::kInteractive), Refusal::kQueueFull);
  EXPECT_EQ(refused(900, ServiceClass::kInteractive), Refusal::kQueueFull);
  EXPECT_EQ(admission.stage(), SheddingStage::kAll);
  EXPECT_EQ(refused(899, ServiceClass::kInteractive), Refusal::kNone);
  EXPECT_EQ(admission.stage(), SheddingStage::kStreams);
  admission.NoteLoad({});
  EXPECT_EQ(admission.stage(), SheddingStage::kNone);
}

TEST(Admission, AModelsOwnBudgetIsItsOwn) {
  Admission admission(SmallQueue());
  const Admission::Load load{.items = 1, .tokens = 300, .model_tokens = 90, .max_model_tokens = 100};
  EXPECT_TRUE(admission.Check({.items = 1, .tokens = 10}, load, kNow).status.ok());
  const AdmissionResult full = admission.Check({.items = 1, .tokens = 11}, load, kNow);
  EXPECT_EQ(full.reason, Refusal::kQueueFull);
  EXPECT_THAT(Message(full), HasSubstr("90 of at most 100 tokens for this model"));
  EXPECT_EQ(admission.Check({.items = 1, .tokens = 101}, load, kNow).reason, Refusal::kTooLarge);
}

}  // namespace
}  // namespace attendant
