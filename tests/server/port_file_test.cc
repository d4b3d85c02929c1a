#include "server/port_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace attendant {
namespace {

using ::testing::HasSubstr;

TEST(PortFileTest, IsWrittenWholeOrReported) {
  const std::string path = ::testing::TempDir() + "ports";
  ASSERT_TRUE(WritePortFile(path, {1, 0, 2, 0}).ok());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "grpc=1\nmetrics=2\n");
  ASSERT_TRUE(WritePortFile(path, {1, 4, 0, 3}).ok());
  text.str("");
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "grpc=1\nhttp=4\nadmin=3\n");
  EXPECT_THAT(std::string(WritePortFile("/no/such/dir/ports", {1, 0, 2, 0}).message()),
              HasSubstr("/no/such/dir/ports"));
}

}  // namespace
}  // namespace attendant
