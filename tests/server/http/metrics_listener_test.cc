#include "server/http/metrics_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "server/observability/security_metrics.h"
#include "server/security/api_keys.h"
#include "server/security/key_file.h"
#include "tests/server/observability/promtool.h"
#include "tests/testing/http_client.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class MetricsListenerTest : public ::testing::Test {
 protected:
  void Start(const ApiKeys* keys = nullptr) {
    auto listener = MetricsListener::Start(
        {.address = "127.0.0.1:0", .metrics = &metrics_, .ready = [this] { return ready_.load(); }, .keys = keys});
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }
  std::string Get(const std::string& path, const std::string& headers = "") {
    return testing::HttpGetFrom("127.0.0.1", listener_->port(), path, headers);
  }

  Metrics metrics_{"1.2.3"};
  std::atomic<bool> ready_{false};
  std::unique_ptr<MetricsListener> listener_;
};

TEST_F(MetricsListenerTest, ServesWhatMetricsHold) {
  Start();
  const std::string answer = Get("/metrics");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Content-Type: text/plain; version=0.0.4"),
                            HasSubstr("attendant_build_info{version=\"1.2.3\"} 1"),
                            HasSubstr("process_resident_memory_bytes ")));
}

TEST_F(MetricsListenerTest, TheWholeScrapeIsClean) {
  Start();
  metrics_.SetSecurityStats([] {
    return SecurityStats{.keys = {{.name = "one", .requests = 3, .tokens = 5}}, .certificate_expiry_unix_seconds = 7};
  });
  const std::string answer = Get("/metrics");
  EXPECT_THAT(answer, HasSubstr("attendant_key_tokens_total{key=\"one\"} 5"));
  EXPECT_THAT(answer, HasSubstr("attendant_tls_certificate_expiry_timestamp_seconds 7"));
  ExpectPromtoolClean(answer.substr(answer.find("\r\n\r\n") + 4));
  metrics_.SetSecurityStats(nullptr);
}

TEST_F(MetricsListenerTest, AliveIsNotReady) {
  Start();
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 503"));
  ready_ = true;
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(MetricsListenerTest, CompressesForThoseWhoAsk) {
  Start();
  const std::string plain = Get("/metrics");
  const std::string small = Get("/metrics", "Accept-Encoding: br, gzip\r\n");
  EXPECT_THAT(small, HasSubstr("Content-Encoding: gzip"));
  EXPECT_LT(small.size(), plain.size() / 3);
}

TEST_F(MetricsListenerTest, ScrapesWantAKeyWithThatRight) {
  testing::TempDir directory;
  const auto keys =
      ApiKeys::Load(directory.Write("keys", *KeyFileLine("prometheus", "scrape-scrape-scrape") + " allow=metrics\n" +
                                                *KeyFileLine("other", "other-other-other-other") + "\n"));
  ASSERT_TRUE(keys.ok()) << keys.status();
  Start(keys->get());
  EXPECT_THAT(Get("/metrics"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(Get("/metrics", "Authorization: Bearer wrong-wrong-wrong-wrong\r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(Get("/metrics", "Authorization: Bearer other-other-other-other\r\n"),
              AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("\"other\"")));
  EXPECT_THAT(Get("/metrics", "Authorization: Bearer scrape-scrape-scrape\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 503"));
}

}  // namespace
}  // namespace attendant
