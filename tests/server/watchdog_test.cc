// The threads around the detector: with a clock and a probe that the test moves, and waits for what the watchdog says.
#include "server/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>

namespace attendant {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr seconds kPatient{30};

class WatchdogTest : public ::testing::Test {
 protected:
  ~WatchdogTest() override { ReleaseProbes(); }

  void Start() {
    watchdog_ = std::make_unique<Watchdog>(WatchdogOptions{
        .interval = std::chrono::milliseconds(1),
        .clock = [this] { return SteadyTime(seconds(now_s_.load())); },
        .observe = [this] { return Observe(); },
        .probe = [this] { return Probe(); },
        .condition =
            [this] {
              const std::lock_guard lock(mutex_);
              return condition_;
            },
        .on_change = [this](bool stuck, const std::string& why) { Tell(stuck, why); },
    });
  }

  std::string AwaitChange(bool stuck) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatient, [this] { return !told_.empty(); }));
    if (told_.empty()) return "(nothing)";
    const auto [was_stuck, why] = told_.front();
    told_.pop_front();
    EXPECT_EQ(was_stuck, stuck) << why;
    return why;
  }

  // Until it has seen what is now.
  void AwaitLook() {
    std::unique_lock lock(mutex_);
    const int after = looks_ + 2;  // the first may have begun before
    EXPECT_TRUE(changed_.wait_for(lock, kPatient, [&] { return looks_ >= after; }));
  }

  void AwaitProbes(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatient, [&] { return probes_ >= count; }));
  }

  void ReleaseProbes() {
    const std::lock_guard lock(mutex_);
    probes_hang_ = false;
    changed_.notify_all();
  }

  StuckDetector::Observation Observe() {
    const std::lock_guard lock(mutex_);
    ++looks_;
    changed_.notify_all();
    return {.batches = batches_, .has_work = has_work_, .timeout = seconds(10)};
  }

  absl::Status Probe() {
    std::unique_lock lock(mutex_);
    ++probes_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !probes_hang_; });
    return probe_outcome_;
  }

  void Tell(bool stuck, const std::string& why) {
    const std::lock_guard lock(mutex_);
    told_.emplace_back(stuck, why);
    changed_.notify_all();
  }

  std::atomic<int64_t> now_s_{100};
  std::atomic<int64_t> batches_{0};
  std::atomic<bool> has_work_{true};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<bool, std::string>> told_;
  int looks_ = 0;
  int probes_ = 0;
  bool probes_hang_ = false;
  absl::Status probe_outcome_;
  absl::Status condition_;
  std::unique_ptr<Watchdog> watchdog_;  // last: its threads use all of the above
};

TEST_F(WatchdogTest, AHangingProbeIsToldAndTheWatchGoesOn) {
  probes_hang_ = true;
  Start();
  AwaitLook();
  now_s_ += 10;
  AwaitProbes(1);
  now_s_ += 10;
  EXPECT_THAT(AwaitChange(true), HasSubstr("has not ended"));
  ++batches_;
  EXPECT_THAT(AwaitChange(false), HasSubstr("flows again"));
  ReleaseProbes();
}

TEST_F(WatchdogTest, AProbeThatFailsIsToldWithItsReason) {
  probe_outcome_ = absl::InternalError("no numbers");
  Start();
  AwaitLook();
  now_s_ += 10;
  EXPECT_THAT(AwaitChange(true), HasSubstr("failed: no numbers"));
  has_work_ = false;
  EXPECT_THAT(AwaitChange(false), HasSubstr("flows again"));
}

TEST_F(WatchdogTest, WorkThatStaysStuckThoughTheProbeWasWell) {
  Start();
  AwaitLook();
  now_s_ += 10;
  AwaitProbes(1);
  AwaitLook();
  {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(told_.empty());
  }
  now_s_ += 10;
  EXPECT_THAT(AwaitChange(true), HasSubstr("was well"));
}

TEST_F(WatchdogTest, ADamagedModelIsToldThoughWorkFlows) {
  has_work_ = false;
  Start();
  AwaitLook();
  const auto set = [this](const absl::Status& condition) {
    const std::lock_guard lock(mutex_);
    condition_ = condition;
  };
  set(absl::InternalError("a file was cut"));
  EXPECT_EQ(AwaitChange(true), "a file was cut");
  set(absl::OkStatus());
  AwaitChange(false);
  watchdog_.reset();
  EXPECT_EQ(probes_, 0);
}

TEST_F(WatchdogTest, MovingWorkIsNeverProbed) {
  Start();
  for (int i = 0; i < 20; ++i) {
    AwaitLook();
    ++batches_;
    now_s_ += 9;
  }
  watchdog_.reset();
  EXPECT_EQ(probes_, 0);
  EXPECT_TRUE(told_.empty());
}

}  // namespace
}  // namespace attendant
