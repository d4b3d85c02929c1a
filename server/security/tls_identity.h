// A server's certificate, its key and the authorities that its clients must come from: read from files, checked, and
// ready for use by OpenSSL.
//
// Everything that a handshake could stumble over is tried here, once, with the same library: what has loaded, works.
// gRPC must never see a bad pair: an update that fails leaves its listener without a handshaker (1.51).
// Thread-safety: immutable. Ownership: shared with every connection that began with it.
#ifndef ATTENDANT_SERVER_SECURITY_TLS_IDENTITY_H_
#define ATTENDANT_SERVER_SECURITY_TLS_IDENTITY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace attendant {

struct TlsFiles {
  std::string certificate;  // PEM: the server's own, then those between it and the authority
  std::string key;          // PEM, without a passphrase
  std::string client_ca;    // PEM: authorities of client certificates, which are then required; empty: none

  bool enabled() const { return !certificate.empty(); }
  bool mutual() const { return !client_ca.empty(); }
};

struct TlsIdentity {
  std::string certificate_pem;
  std::string key_pem;
  std::string client_ca_pem;
  int64_t expiry_unix_seconds = 0;  // of the first of the chain to expire
  std::string subject;
  std::shared_ptr<ssl_ctx_st> context;  // TLS 1.2 or later; for servers that speak through OpenSSL directly
};

// The error names the file and says what is wrong with it: unreadable, no PEM, encrypted, a key that is another
// certificate's, expired, too weak.
absl::StatusOr<std::shared_ptr<const TlsIdentity>> LoadTlsIdentity(const TlsFiles& files);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_TLS_IDENTITY_H_
