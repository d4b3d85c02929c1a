#include "server/models/directory_stamp.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "server/models/golden.h"

namespace attendant {
namespace {

namespace fs = std::filesystem;

TEST(DirectoryStamp, ChangesWithTheFilesAndOnlyWithThem) {
  const fs::path root = fs::path(::testing::TempDir()) / ("stamp_" + std::to_string(getpid()));
  fs::create_directories(root / "v1" / "1_Pooling");
  const auto write = [&](const fs::path& path, const char* text) { std::ofstream(root / path) << text; };
  write("v1/config.json", "one");
  write("v1/1_Pooling/config.json", "two");
  fs::create_symlink("v1", root / "current");
  const std::string current = (root / "current").string();
  const std::string first = DirectoryStamp(current);
  EXPECT_EQ(DirectoryStamp(current), first);
  EXPECT_EQ(DirectoryStamp((root / "v1").string()), first);
  write(std::string("v1/") + kGoldenFile, "{}");
  EXPECT_EQ(DirectoryStamp(current), first);
  write("v1/1_Pooling/config.json", "longer");
  const std::string second = DirectoryStamp(current);
  EXPECT_NE(second, first);
  fs::last_write_time(root / "v1/config.json", fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_NE(DirectoryStamp(current), second);
  fs::copy(root / "v1", root / "v2", fs::copy_options::recursive);
  fs::remove(root / "current");
  fs::create_symlink("v2", root / "current");
  EXPECT_NE(DirectoryStamp(current), DirectoryStamp((root / "v1").string()));
  EXPECT_EQ(DirectoryStamp("/no/such/directory"), "");
  fs::remove_all(root);
}

}  // namespace
}  // namespace attendant
