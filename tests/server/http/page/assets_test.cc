#include "server/http/page/assets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace attendant {
namespace {

std::filesystem::path Source(const Asset& asset) {
  const std::filesystem::path folder = std::filesystem::path(ATTENDANT_TESTDATA) / "../../server/http/page";
  return folder / (asset.path == "/" ? "index.html" : std::filesystem::path(asset.path).filename());
}

TEST(Assets, AreTheFilesOfTheFolderByteForByte) {
  ASSERT_FALSE(Assets().empty());
  for (const Asset& asset : Assets()) {
    std::ifstream file(Source(asset), std::ios::binary);
    ASSERT_TRUE(file) << asset.path;
    const std::string expected{std::istreambuf_iterator<char>(file), {}};
    EXPECT_TRUE(asset.body == expected) << asset.path;
  }
}

TEST(Assets, HavePathsOfTheirOwnAndTheTypeThatABrowserInsistsOn) {
  std::set<std::string_view> paths;
  for (const Asset& asset : Assets()) {
    EXPECT_TRUE(paths.insert(asset.path).second) << asset.path;
    if (asset.path == "/") {
      EXPECT_EQ(asset.content_type, "text/html; charset=utf-8");
    } else {
      EXPECT_THAT(std::string(asset.path), testing::StartsWith("/page/"));
    }
    if (asset.path.ends_with(".js")) {
      EXPECT_EQ(asset.content_type, "text/javascript; charset=utf-8") << asset.path;
    }
  }
  EXPECT_TRUE(paths.contains("/"));
}

}  // namespace
}  // namespace attendant
