#include "server/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace attendant {
namespace {

TEST(Readiness, IsTheAbsenceOfObjections) {
  std::vector<bool> told;
  Readiness readiness([&](bool ready) { told.push_back(ready); });
  EXPECT_FALSE(readiness.ready());
  readiness.Withdraw(NotReady::kStarting);
  EXPECT_TRUE(readiness.ready());
  readiness.Object(NotReady::kStuck);
  readiness.Object(NotReady::kStuck);
  readiness.Object(NotReady::kDraining);
  readiness.Withdraw(NotReady::kStuck);  // draining all the same
  EXPECT_FALSE(readiness.ready());
  EXPECT_THAT(told, ::testing::ElementsAre(true, false));
}

}  // namespace
}  // namespace attendant
