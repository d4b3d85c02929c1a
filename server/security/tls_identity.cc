#include "server/security/tls_identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/security/small_file.h"

namespace attendant {
namespace {

constexpr size_t kMaxPemBytes = 1 << 20;
// gRPC's own choice of cipher suites for TLS 1.2: forward secrecy and authenticated encryption only.
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES256-GCM-SHA384";

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// Why OpenSSL's last call failed; takes the reasons off its list.
std::string OpensslReason() {
  const unsigned long error = ERR_peek_last_error();  // NOLINT: OpenSSL's type
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  std::string text = reason == nullptr ? "unknown reason" : reason;
  ERR_clear_error();
  return text;
}

absl::Status Wrong(const std::string& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

Bio ToBio(const std::string& text) { return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free}; }

// Without this, OpenSSL would ask for the passphrase on the terminal, and wait.
int NoPassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return 0;
}

absl::StatusOr<std::vector<Certificate>> ReadCertificates(const std::string& path, const std::string& pem) {
  std::vector<Certificate> certificates;
  const Bio bio = ToBio(pem);
  while (true) {
    Certificate next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    if (next == nullptr) break;
    certificates.push_back(std::move(next));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = OpensslReason();
  if (certificates.empty() && at_end) return Wrong(path, "there is no PEM certificate in it");
  if (!at_end) return Wrong(path, absl::StrCat("a certificate in it is broken: ", reason));
  return certificates;
}

absl::StatusOr<Key> ReadKey(const std::string& path, const std::string& pem) {
  const Bio bio = ToBio(pem);
  bool encrypted = false;
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, &encrypted), &EVP_PKEY_free);
  const std::string reason = key == nullptr ? OpensslReason() : "";
  if (encrypted) return Wrong(path, "the key is encrypted; a key without a passphrase is needed");
  if (key == nullptr) return Wrong(path, absl::StrCat("there is no usable PEM private key in it: ", reason));
  return key;
}

absl::StatusOr<int64_t> Expiry(const std::string& path, const std::vector<Certificate>& chain) {
  int64_t first = INT64_MAX;
  for (const Certificate& certificate : chain) {
    std::tm time{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time) != 1) {
      return Wrong(path, "a certificate's end of validity cannot be read");
    }
    first = std::min<int64_t>(first, timegm(&time));
    if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
      char text[32];
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &time);
      return Wrong(path, absl::StrCat("a certificate in it has expired, on ", text));
    }
  }
  return first;
}

std::string Subject(X509* certificate) {
  char text[256];
  X509_NAME_oneline(X509_get_subject_name(certificate), text, sizeof text);
  return text;
}

absl::Status UseChain(const TlsFiles& files, const std::vector<Certificate>& chain, EVP_PKEY* key, SSL_CTX* context) {
  if (SSL_CTX_use_certificate(context, chain[0].get()) != 1) {
    return Wrong(files.certificate, absl::StrCat("the certificate cannot be used: ", OpensslReason()));
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return Wrong(files.certificate, absl::StrCat("the chain cannot be used: ", OpensslReason()));
    }
  }
  if (X509_check_private_key(chain[0].get(), key) != 1) {
    ERR_clear_error();
    return Wrong(files.key, absl::StrCat("the key does not belong to the certificate in ", files.certificate));
  }
  if (SSL_CTX_use_PrivateKey(context, key) != 1) {
    return Wrong(files.key, absl::StrCat("the key cannot be used: ", OpensslReason()));
  }
  return absl::OkStatus();
}

absl::Status UseClientAuthorities(const TlsFiles& files, const std::string& pem, SSL_CTX* context) {
  auto authorities = ReadCertificates(files.client_ca, pem);
  if (!authorities.ok()) return authorities.status();
  for (const Certificate& authority : *authorities) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return Wrong(files.client_ca, absl::StrCat("a certificate in it cannot be used: ", OpensslReason()));
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<SSL_CTX>> NewContext() {
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  constexpr unsigned char kSessionContext[] = "attendant";
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), kCiphers) != 1 ||
      SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof kSessionContext - 1) != 1) {
    return absl::InternalError(absl::StrCat("cannot set up TLS: ", OpensslReason()));
  }
  // Sessions would take memory for each caller; and renegotiation is work that only the caller asks for.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  return context;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsIdentity>> LoadTlsIdentity(const TlsFiles& files) {
  ERR_clear_error();
  auto identity = std::make_shared<TlsIdentity>();
  for (const auto& [path, text] :
       {std::pair{&files.certificate, &identity->certificate_pem}, std::pair{&files.key, &identity->key_pem},
        std::pair{&files.client_ca, &identity->client_ca_pem}}) {
    if (path->empty()) continue;
    auto read = ReadSmallFile(*path, kMaxPemBytes);
    if (!read.ok()) return read.status();
    *text = *std::move(read);
  }
  auto chain = ReadCertificates(files.certificate, identity->certificate_pem);
  if (!chain.ok()) return chain.status();
  auto key = ReadKey(files.key, identity->key_pem);
  if (!key.ok()) return key.status();
  auto expiry = Expiry(files.certificate, *chain);
  if (!expiry.ok()) return expiry.status();
  auto context = NewContext();
  if (!context.ok()) return context.status();
  absl::Status used = UseChain(files, *chain, key->get(), context->get());
  if (used.ok() && files.mutual()) used = UseClientAuthorities(files, identity->client_ca_pem, context->get());
  if (!used.ok()) return used;
  identity->expiry_unix_seconds = *expiry;
  identity->subject = Subject((*chain)[0].get());
  identity->context = *std::move(context);
  return std::shared_ptr<const TlsIdentity>(std::move(identity));
}

}  // namespace attendant
