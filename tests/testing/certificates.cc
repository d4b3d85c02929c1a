#include "tests/testing/certificates.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace attendant::testing {
namespace {

using Certificate = std::shared_ptr<X509>;
using Key = std::shared_ptr<EVP_PKEY>;

std::string ToString(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

std::string ToPem(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  EXPECT_EQ(PEM_write_bio_X509(bio, certificate), 1);
  return ToString(bio);
}

std::string ToPem(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  EXPECT_EQ(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  return ToString(bio);
}

void AddExtension(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Key NewKey(int rsa_bits) {
  EVP_PKEY* key = rsa_bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(static_cast<unsigned>(rsa_bits));
  EXPECT_NE(key, nullptr);
  return Key(key, &EVP_PKEY_free);
}

// Everything but extensions and signature.
Certificate NewCertificate(const CertificateOptions& options, EVP_PKEY* key, const X509_NAME* issuer) {
  static long serial = 1000;
  Certificate certificate(X509_new(), &X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), options.begins);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), options.ends);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(options.common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), issuer == nullptr ? name : issuer);
  return certificate;
}

}  // namespace

TestAuthority::TestAuthority(const std::string& common_name) : key_(NewKey(0)) {
  certificate_ = NewCertificate({.common_name = common_name}, key_.get(), nullptr);
  AddExtension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  EXPECT_GT(X509_sign(certificate_.get(), key_.get(), EVP_sha256()), 0);
  pem_ = ToPem(certificate_.get());
}

TestAuthority::~TestAuthority() = default;

PemPair TestAuthority::Issue(const CertificateOptions& options) {
  const Key key = NewKey(options.rsa_bits);
  const Certificate certificate = NewCertificate(options, key.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
  AddExtension(certificate.get(), NID_ext_key_usage, "serverAuth,clientAuth");
  EXPECT_GT(X509_sign(certificate.get(), key_.get(), EVP_sha256()), 0);
  return {ToPem(certificate.get()), ToPem(key.get())};
}

std::string EncryptedKey(const std::string& key_pem) {
  BIO* in = BIO_new_mem_buf(key_pem.data(), static_cast<int>(key_pem.size()));
  const Key key(PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr), &EVP_PKEY_free);
  BIO_free(in);
  BIO* out = BIO_new(BIO_s_mem());
  char passphrase[] = "secret";
  EXPECT_EQ(PEM_write_bio_PKCS8PrivateKey(out, key.get(), EVP_aes_128_cbc(), passphrase, 6, nullptr, nullptr), 1);
  return ToString(out);
}

}  // namespace attendant::testing
