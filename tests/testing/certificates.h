// Certificates made on the spot: an authority, and what it signs. For tests of TLS.
// Thread-safety: one thread.
#ifndef ATTENDANT_TESTS_TESTING_CERTIFICATES_H_
#define ATTENDANT_TESTS_TESTING_CERTIFICATES_H_

#include <memory>
#include <string>

struct x509_st;
struct evp_pkey_st;

namespace attendant::testing {

struct PemPair {
  std::string certificate;
  std::string key;
};

struct CertificateOptions {
  std::string common_name = "localhost";
  // Seconds from now.
  long begins = -3600;
  long ends = 3600;
  int rsa_bits = 0;  // 0: elliptic curve P-256
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& common_name = "Test Authority");
  ~TestAuthority();

  const std::string& certificate() const { return pem_; }
  // Valid for localhost, 127.0.0.1 and ::1, as server and as client.
  PemPair Issue(const CertificateOptions& options = {});

 private:
  std::shared_ptr<x509_st> certificate_;
  std::shared_ptr<evp_pkey_st> key_;
  std::string pem_;
};

// The key under a passphrase.
std::string EncryptedKey(const std::string& key_pem);

}  // namespace attendant::testing

#endif  // ATTENDANT_TESTS_TESTING_CERTIFICATES_H_
