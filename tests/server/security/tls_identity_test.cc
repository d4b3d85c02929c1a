#include "server/security/tls_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "server/observability/logging.h"
#include "server/security/tls_store.h"
#include "tests/testing/certificates.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

using ::testing::HasSubstr;
using testing::PemPair;

class TlsIdentityTest : public ::testing::Test {
 protected:
  TlsIdentityTest() { ConfigureLogging(LogFormat::kText, LogLevel::kError); }
  ~TlsIdentityTest() override { ConfigureLogging(LogFormat::kText, LogLevel::kInfo); }

  TlsFiles Write(const PemPair& pair, const std::string& client_ca = "") {
    TlsFiles files{directory_.Write("cert.pem", pair.certificate), directory_.Write("key.pem", pair.key), ""};
    if (!client_ca.empty()) files.client_ca = directory_.Write("ca.pem", client_ca);
    return files;
  }

  std::string ErrorOf(const PemPair& pair, const std::string& client_ca = "") {
    const auto identity = LoadTlsIdentity(Write(pair, client_ca));
    EXPECT_FALSE(identity.ok());
    return std::string(identity.status().message());
  }

  testing::TestAuthority authority_;
  testing::TempDir directory_;
};

TEST_F(TlsIdentityTest, LoadsWhatIsRight) {
  PemPair pair = authority_.Issue({.common_name = "attendant.example", .ends = 1000});
  pair.certificate += authority_.certificate();
  const auto identity = LoadTlsIdentity(Write(pair, authority_.certificate()));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_THAT((*identity)->subject, HasSubstr("attendant.example"));
  EXPECT_NEAR(static_cast<double>((*identity)->expiry_unix_seconds), static_cast<double>(time(nullptr) + 1000), 30);
  EXPECT_NE((*identity)->context, nullptr);
}

TEST_F(TlsIdentityTest, RsaWillDoToo) {
  EXPECT_TRUE(LoadTlsIdentity(Write(authority_.Issue({.rsa_bits = 2048}))).ok());
}

TEST_F(TlsIdentityTest, ErrorsSayWhichFileAndWhy) {
  const PemPair good = authority_.Issue();
  const PemPair other = authority_.Issue();
  EXPECT_THAT(ErrorOf({good.certificate, other.key}),
              ::testing::AllOf(HasSubstr("key.pem"), HasSubstr("does not belong"), HasSubstr("cert.pem")));
  EXPECT_THAT(ErrorOf({"nothing", good.key}), HasSubstr("cert.pem: there is no PEM certificate in it"));
  EXPECT_THAT(ErrorOf({good.key, good.key}), HasSubstr("cert.pem: there is no PEM certificate in it"));
  EXPECT_THAT(ErrorOf({good.certificate, "nothing"}), HasSubstr("key.pem: there is no usable PEM private key"));
  EXPECT_THAT(ErrorOf({good.certificate.substr(0, good.certificate.size() / 2), good.key}), HasSubstr("cert.pem"));
  EXPECT_THAT(ErrorOf({good.certificate, good.key.substr(0, good.key.size() / 2)}), HasSubstr("key.pem"));
  EXPECT_THAT(ErrorOf({good.certificate, testing::EncryptedKey(good.key)}), HasSubstr("the key is encrypted"));
  EXPECT_THAT(ErrorOf(good, "nothing"), HasSubstr("ca.pem: there is no PEM certificate in it"));
  EXPECT_THAT(ErrorOf(good, authority_.certificate() + good.certificate.substr(0, 100) + "\n"), HasSubstr("ca.pem"));
}

TEST_F(TlsIdentityTest, AnExpiredCertificateIsAnError) {
  const std::string error = ErrorOf(authority_.Issue({.begins = -7200, .ends = -3600}));
  EXPECT_THAT(error, ::testing::AllOf(HasSubstr("cert.pem"), HasSubstr("expired")));
}

TEST_F(TlsIdentityTest, AKeyThatIsTooWeakIsAnErrorNow) {
  EXPECT_THAT(ErrorOf(authority_.Issue({.rsa_bits = 1024})), HasSubstr("cert.pem"));
}

TEST_F(TlsIdentityTest, MissingFilesAreNamed) {
  const TlsFiles files{directory_.Path("none.pem"), directory_.Path("key.pem"), ""};
  EXPECT_THAT(std::string(LoadTlsIdentity(files).status().message()), HasSubstr("none.pem: No such file"));
}

TEST_F(TlsIdentityTest, TheStoreTakesAGoodPairAndTellsOfIt) {
  const auto store = TlsStore::Load(Write(authority_.Issue()));
  ASSERT_TRUE(store.ok()) << store.status();
  std::string told;
  const int id = (*store)->AddListener([&told](const TlsIdentity& identity) {
    told = identity.certificate_pem;
    return absl::OkStatus();
  });
  EXPECT_EQ(*(*store)->Reload(), false);
  const PemPair next = authority_.Issue();
  Write(next);
  EXPECT_EQ(*(*store)->Reload(), true);
  EXPECT_EQ(told, next.certificate);
  EXPECT_EQ((*store)->current()->certificate_pem, next.certificate);
  (*store)->RemoveListener(id);
  Write(authority_.Issue());
  EXPECT_EQ(*(*store)->Reload(), true);
  EXPECT_EQ(told, next.certificate);
}

TEST_F(TlsIdentityTest, TheStoreKeepsTheOldPairWhileTheFilesDoNotFit) {
  const PemPair first = authority_.Issue();
  const auto store = TlsStore::Load(Write(first));
  ASSERT_TRUE(store.ok());
  const PemPair next = authority_.Issue();
  directory_.Write("cert.pem", next.certificate);  // the key is still the old one's
  EXPECT_FALSE((*store)->Reload().ok());
  EXPECT_EQ((*store)->current()->certificate_pem, first.certificate);
  Write(authority_.Issue({.begins = -7200, .ends = -3600}));
  EXPECT_FALSE((*store)->Reload().ok());
  EXPECT_EQ((*store)->current()->certificate_pem, first.certificate);
  Write(next);
  EXPECT_EQ(*(*store)->Reload(), true);
}

}  // namespace
}  // namespace attendant
