#include "server/scheduling/stuck_detector.h"

#include <gtest/gtest.h>

namespace attendant {
namespace {

using std::chrono::seconds;
using Verdict = StuckDetector::Verdict;

class StuckDetectorTest : public ::testing::Test {
 protected:
  Verdict See(int second, int64_t batches, bool has_work = true) {
    now_ = SteadyTime(seconds(100 + second));
    return detector_.Observe({.batches = batches, .has_work = has_work, .timeout = seconds(10)}, now_);
  }

  StuckDetector detector_;
  SteadyTime now_;
};

TEST_F(StuckDetectorTest, SlowButMovingIsFine) {
  for (int second = 0; second < 100; ++second) EXPECT_EQ(See(second, second / 9), Verdict::kFine);
}

TEST_F(StuckDetectorTest, IdleIsFineHoweverLong) {
  EXPECT_EQ(See(0, 5, false), Verdict::kFine);
  EXPECT_EQ(See(1000, 5, false), Verdict::kFine);
  EXPECT_EQ(See(1001, 5), Verdict::kFine);  // work has just arrived
  EXPECT_EQ(See(1009, 5), Verdict::kFine);
}

TEST_F(StuckDetectorTest, SuspicionAsksForAProbeFirst) {
  See(0, 5);
  EXPECT_EQ(See(9, 5), Verdict::kFine);
  EXPECT_FALSE(detector_.wants_probe());
  EXPECT_EQ(See(10, 5), Verdict::kSuspect);
  EXPECT_TRUE(detector_.wants_probe());
  detector_.BeginProbe(now_);
  EXPECT_FALSE(detector_.wants_probe());
  EXPECT_EQ(See(15, 5), Verdict::kSuspect);
}

TEST_F(StuckDetectorTest, AProbeThatFailsIsProof) {
  See(0, 5);
  See(10, 5);
  detector_.BeginProbe(now_);
  detector_.EndProbe(absl::InternalError("no"));
  EXPECT_EQ(See(11, 5), Verdict::kStuck);
}

TEST_F(StuckDetectorTest, SoIsOneThatHangsAndWorkThatStaysWhereItIs) {
  See(0, 5);
  See(10, 5);
  detector_.BeginProbe(now_);
  EXPECT_EQ(See(19, 5), Verdict::kSuspect);
  EXPECT_EQ(See(20, 5), Verdict::kStuck);

  detector_ = StuckDetector();
  See(0, 5);
  See(10, 5);
  detector_.BeginProbe(now_);
  detector_.EndProbe(absl::OkStatus());
  EXPECT_EQ(See(19, 5), Verdict::kSuspect);
  EXPECT_FALSE(detector_.wants_probe());  // one is enough
  EXPECT_EQ(See(20, 5), Verdict::kStuck);
}

TEST_F(StuckDetectorTest, OneBatchThatEndsAndAllIsWell) {
  See(0, 5);
  See(10, 5);
  detector_.BeginProbe(now_);
  EXPECT_EQ(See(30, 5), Verdict::kStuck);
  EXPECT_EQ(See(31, 6), Verdict::kFine);
  detector_.EndProbe(absl::InternalError("of a time that is over"));
  EXPECT_EQ(See(32, 6), Verdict::kFine);
  EXPECT_EQ(See(41, 6), Verdict::kSuspect);
  EXPECT_TRUE(detector_.wants_probe());
}

}  // namespace
}  // namespace attendant
