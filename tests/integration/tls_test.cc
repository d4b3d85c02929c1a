// TLS and keys over real sockets, with the client library, while certificates and keys change.
#include <openssl/ssl.h>

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "server/security/key_file.h"
#include "tests/integration/in_process.h"
#include "tests/testing/certificates.h"
#include "tests/testing/http_client.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::HttpConnection;
using testing::PemPair;
using testing::TestAuthority;
using testing::TlsClientOptions;

constexpr char kKey[] = "0123456789abcdef0123456789abcdef";
constexpr char kNextKey[] = "fedcba9876543210fedcba9876543210";

class TlsTest : public InProcessTest {
 protected:
  void UseTls(bool mutual = false) {
    WritePair(authority_.Issue());
    config_.security.tls_cert = directory_.Path("cert.pem");
    config_.security.tls_key = directory_.Path("key.pem");
    if (mutual) config_.security.tls_client_ca = directory_.Write("ca.pem", authority_.certificate());
  }
  void UseKey(const std::string& key) {
    config_.security.api_keys_file = directory_.Replace("keys", *KeyFileLine("one", key) + "\n");
  }
  void WritePair(const PemPair& pair) {
    directory_.Write("cert.pem", pair.certificate);
    directory_.Write("key.pem", pair.key);
  }

  client::ClientOptions Options(const std::string& authorities) const {
    client::ClientOptions options;
    options.target = "127.0.0.1:" + std::to_string(port());
    options.retry.max_attempts = 1;
    options.default_timeout = std::chrono::seconds(30);
    options.tls.enabled = !authorities.empty();
    options.tls.authorities = authorities;
    return options;
  }

  static absl::Status Embed(const client::ClientOptions& options) {
    auto made = client::Client::Create(options);
    if (!made.ok()) return made.status();
    return (*made)->Embed({"a text"}, {}).status();
  }

  // Handshakes at gRPC's port.
  bool ShakesHands(const TlsClientOptions& tls) const { return HttpConnection("127.0.0.1", port(), &tls).ok(); }

  // gRPC looks for new certificates once a second.
  void AwaitAuthority(const TestAuthority& authority) const {
    const auto end = std::chrono::steady_clock::now() + kLongEnough;
    while (!ShakesHands({.authority = authority.certificate()})) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "the new certificate was never shown";
      std::this_thread::yield();
    }
  }

  TestAuthority authority_;
  testing::TempDir directory_;
};

TEST_F(TlsTest, ServesThoseWhoTrustItsAuthority) {
  UseTls();
  StartServer();
  EXPECT_TRUE(Embed(Options(authority_.certificate())).ok());
  TestAuthority other("Other Authority");
  client::ClientOptions distrusting = Options(other.certificate());
  EXPECT_TRUE(absl::IsUnavailable(Embed(distrusting)));
  EXPECT_TRUE(absl::IsUnavailable(Embed(Options("")))) << "without TLS";
}

TEST_F(TlsTest, TheServersNameIsChecked) {
  UseTls();
  StartServer();
  client::ClientOptions options = Options(authority_.certificate());
  options.tls.server_name = "localhost";
  EXPECT_TRUE(Embed(options).ok());
  options.tls.server_name = "elsewhere.example";
  EXPECT_TRUE(absl::IsUnavailable(Embed(options)));
}

TEST_F(TlsTest, RefusesOldVersions) {
  UseTls();
  StartServer();
  EXPECT_FALSE(ShakesHands({.authority = authority_.certificate(), .max_version = TLS1_1_VERSION}));
  EXPECT_TRUE(ShakesHands({.authority = authority_.certificate(), .max_version = TLS1_2_VERSION}));
  EXPECT_TRUE(ShakesHands({.authority = authority_.certificate(), .max_version = TLS1_3_VERSION}));
}

TEST_F(TlsTest, MutualTlsWantsACertificateOfTheAuthority) {
  UseTls(true);
  StartServer();
  client::ClientOptions options = Options(authority_.certificate());
  EXPECT_FALSE(Embed(options).ok()) << "without a certificate";
  const PemPair own = authority_.Issue({.common_name = "client"});
  options.tls.certificate = own.certificate;
  options.tls.key = own.key;
  EXPECT_TRUE(Embed(options).ok()) << Embed(options);
  TestAuthority other("Other Authority");
  const PemPair foreign = other.Issue({.common_name = "client"});
  options.tls.certificate = foreign.certificate;
  options.tls.key = foreign.key;
  EXPECT_FALSE(Embed(options).ok());
  const PemPair expired = authority_.Issue({.begins = -7200, .ends = -3600});
  options.tls.certificate = expired.certificate;
  options.tls.key = expired.key;
  EXPECT_FALSE(Embed(options).ok());
}

TEST_F(TlsTest, ABadPairIsAClearErrorAtTheStart) {
  UseTls();
  directory_.Write("key.pem", authority_.Issue().key);
  const auto server = Server::Start(config_);
  EXPECT_THAT(std::string(server.status().message()),
              AllOf(HasSubstr("--tls-cert"), HasSubstr("key.pem"), HasSubstr("does not belong")));
}

TEST_F(TlsTest, CertificatesChangeUnderCallsAndNoneFails) {
  UseTls();
  StartServer();
  TestAuthority next("Next Authority");
  const std::string both = authority_.certificate() + next.certificate();
  std::atomic<bool> done{false};
  std::atomic<int> calls{0};
  std::vector<std::thread> callers;
  // One keeps its connection, the others make a new one for each call.
  callers.emplace_back([&] {
    const auto client = *client::Client::Create(Options(both));
    for (; !done; ++calls) EXPECT_TRUE(client->Embed({"a text"}, {}).ok());
  });
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      for (; !done; ++calls) {
        const absl::Status status = Embed(Options(both));
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (TestAuthority* authority : {&next, &authority_, &next}) {
    const PemPair pair = authority->Issue();
    directory_.Write("cert.pem", pair.certificate);
    server_->ReloadSecurity();  // the key is still the other one's: refused
    directory_.Write("key.pem", pair.key);
    server_->ReloadSecurity();
    AwaitAuthority(*authority);
    const int before = calls;
    while (calls < before + 6) std::this_thread::yield();
  }
  done = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_FALSE(ShakesHands({.authority = authority_.certificate()}));
}

TEST_F(TlsTest, ChangedFilesAreNoticedWithoutBeingTold) {
  UseTls();
  StartServer();
  TestAuthority next("Next Authority");
  WritePair(next.Issue());
  AwaitAuthority(next);
}

TEST_F(TlsTest, ABrokenPairChangesNothing) {
  UseTls();
  StartServer();
  ConfigureLogging(LogFormat::kText, LogLevel::kOff);
  for (const PemPair& pair : {PemPair{"", ""}, PemPair{"nothing", "nothing"}, authority_.Issue({.ends = -60})}) {
    WritePair(pair);
    server_->ReloadSecurity();
    EXPECT_TRUE(Embed(Options(authority_.certificate())).ok());
  }
}

TEST_F(TlsTest, ClientAuthoritiesChangeToo) {
  UseTls(true);
  StartServer();
  TestAuthority next("Next Authority");
  const PemPair own = next.Issue();
  client::ClientOptions options = Options(authority_.certificate());
  options.tls.certificate = own.certificate;
  options.tls.key = own.key;
  EXPECT_FALSE(Embed(options).ok());
  directory_.Replace("ca.pem", authority_.certificate() + next.certificate());
  server_->ReloadSecurity();
  const auto end = std::chrono::steady_clock::now() + kLongEnough;
  while (!Embed(options).ok()) ASSERT_LT(std::chrono::steady_clock::now(), end);
}

TEST_F(TlsTest, TheMetricsListenerSpeaksTlsWhenTold) {
  UseTls();
  config_.metrics_address = "127.0.0.1:0";
  config_.security.metrics_tls = true;
  StartServer();
  const TlsClientOptions trust{.authority = authority_.certificate()};
  const std::string answer = testing::HttpGetFrom("127.0.0.1", server_->metrics_port(), "/metrics", "", &trust);
  EXPECT_THAT(answer, HasSubstr("attendant_tls_certificate_expiry_timestamp_seconds "));
  EXPECT_EQ(testing::HttpGetFrom("127.0.0.1", server_->metrics_port(), "/metrics"), "");
}

TEST_F(TlsTest, KeysChangeUnderCalls) {
  UseTls();
  UseKey(kKey);
  StartServer();
  client::ClientOptions options = Options(authority_.certificate());
  EXPECT_TRUE(absl::IsUnauthenticated(Embed(options)));
  options.api_key = kKey;
  const auto client = *client::Client::Create(options);
  EXPECT_TRUE(client->Embed({"a text"}, {}).ok());
  const auto serving = client->Health("");
  ASSERT_TRUE(serving.ok());
  EXPECT_EQ(*serving, client::ServingStatus::kServing);

  // Both keys are good for a while: that is how to rotate.
  directory_.Replace("keys", *KeyFileLine("one", kKey) + "\n" + *KeyFileLine("one.next", kNextKey) + "\n");
  server_->ReloadSecurity();
  EXPECT_TRUE(client->Embed({"a text"}, {}).ok());
  options.api_key = kNextKey;
  EXPECT_TRUE(Embed(options).ok());
  directory_.Replace("keys", *KeyFileLine("one.next", kNextKey) + "\n");
  server_->ReloadSecurity();
  EXPECT_TRUE(absl::IsUnauthenticated(client->Embed({"a text"}, {}).status()));
  EXPECT_TRUE(Embed(options).ok());
}

TEST_F(TlsTest, BulkWorkOfTheClientLibraryBringsItsKey) {
  UseKey(kKey);
  StartServer();
  client::ClientOptions options = Options("");
  options.api_key = kKey;
  const auto client = *client::Client::Create(options);
  int sent = 0;
  int received = 0;
  const auto summary = client->EmbedAll(
      [&sent]() -> std::optional<absl::StatusOr<client::Item>> {
        if (sent++ == 100) return std::nullopt;
        return client::Item("a text");
      },
      [&received](int64_t, const std::vector<client::EmbedResult>& results) {
        for (const client::EmbedResult& result : results) received += result.status.ok() ? 1 : 0;
        return absl::OkStatus();
      },
      {});
  EXPECT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(received, 100);
  EXPECT_TRUE(client->GetAttention("a text", {}).ok());
  EXPECT_TRUE(client->Tokenize({"a text"}, {}).ok());
  EXPECT_TRUE(client->ListModels().ok());
}

TEST_F(TlsTest, WhatGrpcWouldDieOfIsAnError) {
  client::ClientOptions options;
  options.api_key = "two words";
  EXPECT_TRUE(absl::IsInvalidArgument(client::Client::Create(options).status()));
  options.api_key = "line\nend";
  EXPECT_TRUE(absl::IsInvalidArgument(client::Client::Create(options).status()));
  options.api_key.clear();
  options.tls.authorities = authority_.certificate();
  EXPECT_TRUE(absl::IsInvalidArgument(client::Client::Create(options).status())) << "TLS is not enabled";
  options.tls.enabled = true;
  EXPECT_TRUE(client::Client::Create(options).ok());
  options.tls.key = authority_.Issue().key;
  EXPECT_TRUE(absl::IsInvalidArgument(client::Client::Create(options).status())) << "a key without a certificate";
  options.tls.key.clear();
  options.tls.authorities = "no PEM";
  EXPECT_TRUE(absl::IsInvalidArgument(client::Client::Create(options).status()));
}

}  // namespace
}  // namespace attendant
