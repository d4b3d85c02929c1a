#include "server/scheduling/worker_team.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace attendant {
namespace {

TEST(WorkerTeam, TheLeaderAloneRunsEveryPartOnce) {
  WorkerTeam team;
  std::vector<int> runs(100, 0);
  team.ParallelFor(100, [&](int part, int member) {
    EXPECT_EQ(member, 0);
    ++runs[static_cast<size_t>(part)];
  });
  EXPECT_EQ(runs, std::vector<int>(100, 1));
}

TEST(WorkerTeam, MembersAreNumberedApartAndTheTeamHasAnEnd) {
  WorkerTeam team;
  EXPECT_FALSE(team.Join().has_value()) << "closed";
  team.Open();
  for (int member = 1; member < kMaxTeamMembers; ++member) EXPECT_EQ(team.Join(), member);
  EXPECT_FALSE(team.Join().has_value()) << "full";
  team.Leave(3);
  EXPECT_EQ(team.Join(), 3);
  team.Close();
  team.Leave(3);
  EXPECT_FALSE(team.Join().has_value()) << "closed";
}

// Many short bursts with helpers coming and going: every part runs once, no two bodies share a member number at once.
TEST(WorkerTeam, HelpersShareEveryBurst) {
  WorkerTeam team;
  team.Open();
  constexpr int kHelpers = 3, kParts = 13;
  std::atomic<bool> wanted_elsewhere{false};
  std::vector<std::thread> helpers;
  for (int i = 0; i < kHelpers; ++i) {
    const int member = *team.Join();
    helpers.emplace_back([&, member] { team.Help(member, wanted_elsewhere); });
  }
  std::atomic<int> busy[kMaxTeamMembers] = {};
  std::atomic<int> helped{0};
  int64_t bursts = 0;
  // Until helpers were seen at work, which takes a moment on a loaded machine, and at least a few thousand times.
  for (; bursts < 5000 || (helped.load() == 0 && bursts < 5'000'000); ++bursts) {
    std::vector<int> runs(kParts, 0);
    team.ParallelFor(kParts, [&](int part, int member) {
      ASSERT_EQ(busy[member].exchange(1), 0);
      ++runs[static_cast<size_t>(part)];
      if (member != 0) ++helped;
      busy[member].store(0);
    });
    ASSERT_EQ(runs, std::vector<int>(kParts, 1)) << "burst " << bursts;
  }
  EXPECT_GT(helped.load(), 0);
  team.Close();
  for (std::thread& helper : helpers) helper.join();
}

TEST(WorkerTeam, AHelperLeavesWhenItIsWantedElsewhere) {
  WorkerTeam team;
  team.Open();
  std::atomic<bool> wanted_elsewhere{false};
  const int member = *team.Join();
  std::thread helper([&] { team.Help(member, wanted_elsewhere); });
  wanted_elsewhere = true;
  helper.join();
  EXPECT_TRUE(team.is_open());
}

}  // namespace
}  // namespace attendant
