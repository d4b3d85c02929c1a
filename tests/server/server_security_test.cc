#include "server/server_security.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "server/observability/logging.h"
#include "server/security/key_file.h"
#include "tests/testing/certificates.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOpen[] = "0.0.0.0:50051";
constexpr char kHere[] = "127.0.0.1:50051";

class ServerSecurityTest : public ::testing::Test {
 protected:
  ServerSecurityTest() { ConfigureLogging(LogFormat::kText, LogLevel::kWarning); }
  ~ServerSecurityTest() override { ConfigureLogging(LogFormat::kText, LogLevel::kInfo); }

  void UseKeys() { config_.api_keys_file = directory_.Write("keys", *KeyFileLine("one", "0123456789abcdef") + "\n"); }
  void UseTls() {
    const testing::PemPair pair = authority_.Issue();
    config_.tls_cert = directory_.Write("cert.pem", pair.certificate);
    config_.tls_key = directory_.Write("key.pem", pair.key);
  }

  std::string WarningFor(const std::string& grpc, const std::string& metrics, const std::string& admin = "",
                         const std::string& http = "") {
    const auto security = ServerSecurity::Load(config_);
    EXPECT_TRUE(security.ok()) << security.status();
    ::testing::internal::CaptureStderr();
    (*security)->WarnOfExposure({.grpc = grpc, .http = http, .metrics = metrics, .admin = admin});
    return ::testing::internal::GetCapturedStderr();
  }

  SecurityConfig config_;
  testing::TestAuthority authority_;
  testing::TempDir directory_;
};

TEST_F(ServerSecurityTest, WarnsOnceOfAllThatOthersReach) {
  const std::string warning = WarningFor(kOpen, "[::]:9464");
  EXPECT_THAT(warning, AllOf(HasSubstr("level=warning"), HasSubstr("gRPC on 0.0.0.0:50051 without a key or TLS"),
                             HasSubstr("metrics on [::]:9464 without a key or TLS"), HasSubstr("docs/security.md")));
  EXPECT_EQ(std::count(warning.begin(), warning.end(), '\n'), 1);
}

TEST_F(ServerSecurityTest, WarnsOfTheHttpPort) {
  EXPECT_THAT(WarningFor(kHere, "", "", "0.0.0.0:8080"), HasSubstr("HTTP on 0.0.0.0:8080 without a key or TLS"));
  UseKeys();
  EXPECT_THAT(WarningFor(kHere, "", "", "0.0.0.0:8080"), HasSubstr("HTTP on 0.0.0.0:8080 without TLS"));
}

TEST_F(ServerSecurityTest, IsSilentAboutThisMachineAndWhatIsNotThere) {
  EXPECT_EQ(WarningFor(kHere, ""), "");
  EXPECT_EQ(WarningFor("unix:/run/attendant", "localhost:9464", "[::1]:50052"), "");
}

TEST_F(ServerSecurityTest, SaysWhatIsMissing) {
  UseKeys();
  EXPECT_THAT(WarningFor(kOpen, kHere), HasSubstr("gRPC on 0.0.0.0:50051 without TLS"));
  UseTls();
  EXPECT_EQ(WarningFor(kOpen, kHere, kOpen), "");
  // The metrics listener is protected only when told.
  EXPECT_THAT(WarningFor(kOpen, kOpen), AllOf(Not(HasSubstr("gRPC")), HasSubstr("metrics on 0.0.0.0:50051")));
  config_.metrics_tls = true;
  EXPECT_THAT(WarningFor(kOpen, kOpen), HasSubstr("metrics on 0.0.0.0:50051 without a key"));
  config_.metrics_require_key = true;
  EXPECT_EQ(WarningFor(kOpen, kOpen), "");
  config_.api_keys_file.clear();
  config_.metrics_require_key = false;
  EXPECT_THAT(WarningFor(kOpen, kHere), HasSubstr("gRPC on 0.0.0.0:50051 without a key"));
}

TEST_F(ServerSecurityTest, AClientCertificateIsAsGoodAsAKey) {
  UseTls();
  config_.tls_client_ca = directory_.Write("ca.pem", authority_.certificate());
  EXPECT_EQ(WarningFor(kOpen, kHere), "");
}

TEST_F(ServerSecurityTest, ReflectionFollowsTheKeysUnlessTold) {
  EXPECT_TRUE((*ServerSecurity::Load(config_))->reflection());
  UseKeys();
  EXPECT_FALSE((*ServerSecurity::Load(config_))->reflection());
  config_.reflection = "on";
  EXPECT_TRUE((*ServerSecurity::Load(config_))->reflection());
  config_.reflection = "off";
  config_.api_keys_file.clear();
  EXPECT_FALSE((*ServerSecurity::Load(config_))->reflection());
}

TEST_F(ServerSecurityTest, StatsAreOfTheKeysAndCertificateInUse) {
  EXPECT_TRUE((*ServerSecurity::Load(config_))->Stats().keys.empty());
  UseKeys();
  UseTls();
  const auto security = ServerSecurity::Load(config_);
  ASSERT_TRUE(security.ok()) << security.status();
  (*security)->keys()->Find("0123456789abcdef")->CountRequest();
  EXPECT_EQ((*security)->Stats().keys.at(0).requests, 1);
  EXPECT_GT((*security)->Stats().certificate_expiry_unix_seconds.value_or(0), 0);
  directory_.Replace("keys", *KeyFileLine("two", "fedcba9876543210") + "\n");
  (*security)->Reload();
  ASSERT_EQ((*security)->Stats().keys.size(), 1u);
  EXPECT_EQ((*security)->Stats().keys.at(0).name, "two");
}

TEST_F(ServerSecurityTest, ErrorsNameTheFlag) {
  config_.api_keys_file = directory_.Path("none");
  EXPECT_THAT(std::string(ServerSecurity::Load(config_).status().message()),
              AllOf(HasSubstr("--api-keys-file"), HasSubstr("none")));
  config_.api_keys_file.clear();
  UseTls();
  directory_.Write("key.pem", "nothing");
  EXPECT_THAT(std::string(ServerSecurity::Load(config_).status().message()),
              AllOf(HasSubstr("--tls-key"), HasSubstr("key.pem")));
}

}  // namespace
}  // namespace attendant
