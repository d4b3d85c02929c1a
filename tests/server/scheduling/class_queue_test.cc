#include "server/scheduling/class_queue.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/scheduling/fakes.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime kNow = SteadyTime(seconds(100));
constexpr double kItemUs = 10'000;  // 100 tokens

class ClassQueueTest : public testing::Test {
 protected:
  WorkCall Call(const std::string& flow, int items = 1, SteadyTime deadline = SteadyTime::max()) {
    WorkCall call;
    call.runtime = runtime_;
    call.flow = flow;
    call.deadline = deadline;
    for (int i = 0; i < items; ++i) call.items.push_back(MakeItem(0, 100));
    return call;
  }

  void Push(const std::string& flow, int items = 1, SteadyTime deadline = kNow + seconds(5)) {
    queue_.Push(Call(flow, items, deadline), {deadline, order_++}, kNow, items * kItemUs);
  }

  // The flow of the item that is served next.
  std::string Serve() {
    ClassQueue::Call* call = queue_.Next(nullptr);
    if (call == nullptr) return "nobody";
    const std::string flow = call->work.flow;
    queue_.Take(call, kItemUs, ClassQueue::Fate::kServed);
    if (call->next == call->work.items.size()) queue_.Remove(call);
    return flow;
  }

  int Served(const std::string& flow, int turns) {
    int served = 0;
    for (int i = 0; i < turns; ++i) served += Serve() == flow ? 1 : 0;
    return served;
  }

  ClassQueue::Forecast Predict(const WorkCall& call, SteadyTime deadline) {
    return queue_.Predict({&call, deadline, static_cast<double>(call.items.size()) * kItemUs}, kNow, 1.0);
  }

  std::shared_ptr<ModelRuntime> runtime_ = MakeRuntime();
  ClassQueue queue_;
  uint64_t order_ = 0;
};

TEST_F(ClassQueueTest, AFlowWithMuchDoesNotHoldUpOneWithLittle) {
  Push("heavy", 1000, kNow + seconds(1));
  Push("light", 1, kNow + seconds(5));
  // Its deadline is later, so the heavy one may have its allowance first: five items of 10 ms, and one to pass it.
  int turns = 1;
  while (Serve() != "light") ++turns;
  EXPECT_LE(turns, 7);
}

TEST_F(ClassQueueTest, FlowsWithEnoughWorkGetEqualShares) {
  Push("a", 500, kNow + seconds(1));
  Push("b", 500, kNow + seconds(2));
  Push("c", 500, kNow + seconds(3));
  EXPECT_NEAR(Served("b", 300), 100, 6);
}

TEST_F(ClassQueueTest, WeightsAreShares) {
  const auto heavier = MakeRuntime({.weight = 3});
  Push("a", 1000);
  WorkCall call = Call("a", 1000);
  call.runtime = heavier;
  queue_.Push(std::move(call), {kNow + seconds(5), order_++}, kNow, 1000 * kItemUs);
  int heavy = 0;
  for (int i = 0; i < 400; ++i) {
    ClassQueue::Call* next = queue_.Next(nullptr);
    heavy += next->work.runtime == heavier ? 1 : 0;
    queue_.Take(next, kItemUs, ClassQueue::Fate::kServed);
  }
  EXPECT_NEAR(heavy, 300, 10);
}

TEST_F(ClassQueueTest, AbsenceEarnsNothing) {
  Push("a", 1);
  Push("b", 1000);
  Served("b", 500);
  Push("a", 1000);
  // Not 500 items to catch up with: half from now on.
  EXPECT_NEAR(Served("a", 200), 100, 6);
}

TEST_F(ClassQueueTest, ComingBackForgetsNoDebt) {
  Push("a", 1000, kNow + seconds(9));
  // b always has the earliest deadline, and never more than one item at a time.
  int b = 0;
  for (int i = 0; i < 300; ++i) {
    Push("b", 1, kNow + seconds(1));
    const std::string served = Serve();
    b += served == "b" ? 1 : 0;
  }
  EXPECT_NEAR(b, 150, 10);
}

TEST_F(ClassQueueTest, WhatIsDroppedIsNotCharged) {
  Push("a", 100, kNow + seconds(1));
  ClassQueue::Call* call = queue_.Next(nullptr);
  for (int i = 0; i < 99; ++i) queue_.Take(call, kItemUs, ClassQueue::Fate::kDropped);
  Push("b", 100, kNow + seconds(2));
  EXPECT_EQ(Serve(), "a");
}

TEST_F(ClassQueueTest, OnlyOneModelsCallsWhenAsked) {
  const auto other = MakeRuntime();
  Push("a", 1, kNow + seconds(1));
  WorkCall call = Call("a");
  call.runtime = other;
  queue_.Push(std::move(call), {kNow + seconds(2), order_++}, kNow, kItemUs);
  EXPECT_EQ(queue_.Next(nullptr)->work.runtime, runtime_);
  EXPECT_EQ(queue_.Next(other.get())->work.runtime, other);
  const auto third = MakeRuntime();
  EXPECT_EQ(queue_.Next(third.get()), nullptr);
}

TEST_F(ClassQueueTest, ManyFlowsShareABoundedNumber) {
  for (int i = 0; i < 5000; ++i) Push("flow " + std::to_string(i));
  EXPECT_EQ(queue_.items(), 5000);
  for (int i = 0; i < 5000; ++i) EXPECT_NE(Serve(), "nobody");
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.tokens(), 0);
  EXPECT_EQ(queue_.cost_us(), 0);
}

TEST_F(ClassQueueTest, ForecastCountsWhatComesBefore) {
  Push("a", 3, kNow + seconds(1));
  Push("a", 4, kNow + seconds(3));
  const WorkCall call = Call("a");
  EXPECT_DOUBLE_EQ(Predict(call, kNow + seconds(2)).ahead_us, 3 * kItemUs);
  EXPECT_DOUBLE_EQ(Predict(call, kNow + seconds(4)).ahead_us, 7 * kItemUs);
  EXPECT_DOUBLE_EQ(Predict(call, kNow).ahead_us, 0);
}

TEST_F(ClassQueueTest, ForecastSeesWhoWouldBeLate) {
  Push("a", 3, kNow + milliseconds(30));  // just in time
  EXPECT_TRUE(Predict(Call("a"), kNow + milliseconds(20)).delays_others);
  EXPECT_FALSE(Predict(Call("a"), kNow + milliseconds(40)).delays_others);
  Push("a", 3, kNow + milliseconds(31));  // late whatever happens: nobody is held off for it
  EXPECT_FALSE(Predict(Call("a"), kNow + milliseconds(30) + Microseconds(1)).delays_others);
}

TEST_F(ClassQueueTest, ForecastKnowsThatALightFlowNeedNotWaitForAHeavyOne) {
  Push("heavy", 1000, kNow + seconds(10));
  const ClassQueue::Forecast light = Predict(Call("light"), kNow + seconds(11));
  EXPECT_LE(light.ahead_us, ClassQueue::kAllowanceUs + 2 * kItemUs);
  EXPECT_DOUBLE_EQ(Predict(Call("heavy"), kNow + seconds(11)).ahead_us, 1000 * kItemUs);
}

}  // namespace
}  // namespace attendant
