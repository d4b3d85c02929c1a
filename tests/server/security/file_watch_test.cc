#include "server/security/file_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>

#include "server/observability/logging.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    ConfigureLogging(LogFormat::kText, LogLevel::kOff);
    directory_.Write("a", "1");
    directory_.Write("b", "1");
  }
  ~FileWatchTest() override { ConfigureLogging(LogFormat::kText, LogLevel::kInfo); }

  void Watch(FileWatch* watch) {
    watch->Watch("test", {directory_.Path("a"), directory_.Path("b")}, [this]() -> absl::StatusOr<bool> {
      ++reloads_;
      return true;
    });
    watch->Poll();  // the look that follows the first reading
    reloads_ = 0;
  }

  testing::TempDir directory_;
  std::atomic<int> reloads_{0};
};

TEST_F(FileWatchTest, ReloadsOnChangeOnlyAndOnceMoreToBeSure) {
  FileWatch watch;
  Watch(&watch);
  watch.Poll();
  EXPECT_EQ(reloads_, 0);
  directory_.Write("b", "22");
  watch.Poll();
  EXPECT_EQ(reloads_, 1);
  watch.Poll();
  EXPECT_EQ(reloads_, 2) << "a second change may hide in the resolution of the first one's time";
  watch.Poll();
  EXPECT_EQ(reloads_, 2);
}

TEST_F(FileWatchTest, SeesReplacementRemovalAndReturn) {
  FileWatch watch;
  Watch(&watch);
  const auto settle = [&] {
    const int before = reloads_;
    for (int i = 0; i < 3; ++i) watch.Poll();
    return reloads_ - before;
  };
  directory_.Replace("a", "1");  // the same contents in a new file
  EXPECT_EQ(settle(), 2);
  std::filesystem::remove(directory_.Path("a"));
  EXPECT_EQ(settle(), 2);
  directory_.Write("a", "1");
  EXPECT_EQ(settle(), 2);
  EXPECT_EQ(settle(), 0);
}

TEST_F(FileWatchTest, FollowsSymlinksAsKubernetesSwapsThem) {
  std::filesystem::create_directory(directory_.Path("v1"));
  std::filesystem::create_directory(directory_.Path("v2"));
  directory_.Write("v1/keys", "1");
  directory_.Write("v2/keys", "1");
  std::filesystem::create_directory_symlink("v1", directory_.Path("data"));
  FileWatch watch;
  watch.Watch("test", {directory_.Path("data/keys")}, [this]() -> absl::StatusOr<bool> {
    ++reloads_;
    return true;
  });
  watch.Poll();
  reloads_ = 0;
  std::filesystem::create_directory_symlink("v2", directory_.Path("next"));
  std::filesystem::rename(directory_.Path("next"), directory_.Path("data"));
  watch.Poll();
  EXPECT_EQ(reloads_, 1);
}

TEST_F(FileWatchTest, ReloadAllAsksForNoChange) {
  FileWatch watch;
  Watch(&watch);
  watch.ReloadAll();
  EXPECT_EQ(reloads_, 1);
}

TEST_F(FileWatchTest, ItsThreadNotices) {
  std::promise<void> reloaded;
  FileWatch watch;
  watch.Watch("test", {directory_.Path("a")}, [&, first = true]() mutable -> absl::StatusOr<bool> {
    if (!std::exchange(first, false)) return false;
    reloaded.set_value();
    return true;
  });
  watch.Start(std::chrono::milliseconds(1));
  EXPECT_EQ(reloaded.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(FileWatchTest, EndsAtOnce) {
  const auto start = std::chrono::steady_clock::now();
  {
    FileWatch watch;
    Watch(&watch);
    watch.Start(std::chrono::hours(1));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

}  // namespace
}  // namespace attendant
