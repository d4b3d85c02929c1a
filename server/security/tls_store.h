// The TLS identity that is in use, and its replacement by a newer one while connections go on.
//
// A pair that is wrong never replaces a good one. Connections keep what they began with.
// Thread-safety: every member from any thread.
#ifndef ATTENDANT_SERVER_SECURITY_TLS_STORE_H_
#define ATTENDANT_SERVER_SECURITY_TLS_STORE_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/security/tls_identity.h"

namespace attendant {

class TlsStore {
 public:
  using Listener = std::function<absl::Status(const TlsIdentity&)>;

  static absl::StatusOr<std::unique_ptr<TlsStore>> Load(const TlsFiles& files);

  const TlsFiles& files() const { return files_; }
  std::vector<std::string> paths() const;
  std::shared_ptr<const TlsIdentity> current() const;

  // Called with each new identity, on the thread that reloads. Returns a number for RemoveListener.
  int AddListener(Listener listener);
  // When it returns, the listener is not running and never will again.
  void RemoveListener(int id);

  // True: a new identity is in use. After an error the old one is.
  absl::StatusOr<bool> Reload();

 private:
  explicit TlsStore(TlsFiles files) : files_(std::move(files)) {}

  const TlsFiles files_;
  std::mutex reload_mutex_;  // guards the listeners; one Reload at a time
  std::vector<std::pair<int, Listener>> listeners_;
  int next_id_ = 0;
  mutable std::mutex mutex_;  // guards the identity
  std::shared_ptr<const TlsIdentity> identity_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_TLS_STORE_H_
