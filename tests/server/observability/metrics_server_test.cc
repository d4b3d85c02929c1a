#include "server/observability/metrics_server.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/observability/promtool.h"
#include "tests/testing/http_get.h"

namespace attendant {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Body(const std::string& answer) {
  const size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

TEST(MetricsServer, ServesWhatMetricsHold) {
  Metrics metrics("1.2.3");
  const auto server = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT((*server)->port(), 0);
  const std::string answer = HttpGet((*server)->port(), "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("attendant_build_info{version=\"1.2.3\"} 1"));
  EXPECT_THAT(answer, HasSubstr("process_resident_memory_bytes "));
}

TEST(MetricsServer, TheWholeScrapeIsClean) {
  Metrics metrics("1.2.3");
  const auto server = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  HttpGet((*server)->port(), "/metrics");  // the second scrape has the first one's own metrics, too
  ExpectPromtoolClean(Body(HttpGet((*server)->port(), "/metrics")));
}

TEST(MetricsServer, OtherPathsAreNotFound) {
  Metrics metrics("1");
  const auto server = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  for (const char* path : {"/", "/etc/passwd", "/../../etc/passwd"}) {
    EXPECT_THAT(HttpGet((*server)->port(), path), StartsWith("HTTP/1.1 404")) << path;
  }
}

TEST(MetricsServer, AcceptsNames) {
  Metrics metrics("1");
  EXPECT_TRUE(MetricsServer::Start("localhost:0", metrics).ok());
}

TEST(MetricsServer, ATakenPortIsAnErrorThatNamesIt) {
  Metrics metrics("1");
  const auto first = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string address = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = MetricsServer::Start(address, metrics);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

TEST(MetricsServer, TheDestructorFreesThePort) {
  Metrics metrics("1");
  auto server = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = (*server)->port();
  server->reset();
  EXPECT_EQ(HttpGet(port, "/metrics"), "");
}

TEST(MetricsServer, AddressesThatAreNoneAreRefused) {
  Metrics metrics("1");
  for (const char* address : {"", "9464", ":9464", "localhost", "localhost:", "127.0.0.1:70000", "127.0.0.1:80s",
                              "127.0.0.1:0,127.0.0.1:0", "::1:9464", "127.0.0.1:-1", "127.0.0.1: 1"}) {
    const auto server = MetricsServer::Start(address, metrics);
    ASSERT_FALSE(server.ok()) << address;
    EXPECT_TRUE(absl::IsInvalidArgument(server.status())) << address;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(std::string("\"") + address + "\""));
  }
}

TEST(MetricsServer, AForeignHostIsAnError) {
  Metrics metrics("1");
  EXPECT_TRUE(absl::IsUnavailable(MetricsServer::Start("192.0.2.1:0", metrics).status()));
}

}  // namespace
}  // namespace attendant
