// What a gRPC listener shows its callers: nothing, or the TLS identity of a TlsStore and what replaces it later.
//
// gRPC offers two ways to new certificates without a restart. A callback asked at every handshake has a known race
// between two handshakes (a use after free, open since 2020). A watcher of files is sound as long as the files always
// fit each other, which an operator's files do not in the moment they are copied. So this one watches memory files
// that only ever hold checked pairs: docs/decisions/0007-certificates.md.
// Thread-safety: every member from any thread. Ownership: borrows the store, which must outlive it; must itself outlive
// the grpc::Server that uses its credentials.
#ifndef ATTENDANT_SERVER_RPC_SERVER_CREDENTIALS_H_
#define ATTENDANT_SERVER_RPC_SERVER_CREDENTIALS_H_

#include <memory>

#include "absl/status/statusor.h"

namespace grpc {
class ServerCredentials;
}

namespace attendant {

class TlsStore;

class ServerCredentials {
 public:
  // store: nullptr for a listener without TLS.
  static absl::StatusOr<std::unique_ptr<ServerCredentials>> New(TlsStore* store);
  ~ServerCredentials();

  const std::shared_ptr<grpc::ServerCredentials>& grpc_credentials() const;

 private:
  class Impl;
  explicit ServerCredentials(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_SERVER_CREDENTIALS_H_
