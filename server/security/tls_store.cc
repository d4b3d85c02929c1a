#include "server/security/tls_store.h"

#include <utility>

#include "server/observability/logging.h"

namespace attendant {
namespace {

void LogIdentity(const TlsIdentity& identity) {
  LogInfo("certificate", {{"subject", identity.subject}, {"expiry_unix_seconds", identity.expiry_unix_seconds}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsStore>> TlsStore::Load(const TlsFiles& files) {
  auto identity = LoadTlsIdentity(files);
  if (!identity.ok()) return identity.status();
  std::unique_ptr<TlsStore> store(new TlsStore(files));
  store->identity_ = *std::move(identity);
  LogIdentity(*store->identity_);
  return store;
}

std::vector<std::string> TlsStore::paths() const {
  std::vector<std::string> paths = {files_.certificate, files_.key};
  if (files_.mutual()) paths.push_back(files_.client_ca);
  return paths;
}

std::shared_ptr<const TlsIdentity> TlsStore::current() const {
  const std::lock_guard lock(mutex_);
  return identity_;
}

int TlsStore::AddListener(Listener listener) {
  const std::lock_guard lock(reload_mutex_);
  listeners_.emplace_back(next_id_, std::move(listener));
  return next_id_++;
}

void TlsStore::RemoveListener(int id) {
  const std::lock_guard lock(reload_mutex_);
  std::erase_if(listeners_, [id](const auto& entry) { return entry.first == id; });
}

absl::StatusOr<bool> TlsStore::Reload() {
  const std::lock_guard reload_lock(reload_mutex_);
  auto loaded = LoadTlsIdentity(files_);
  if (!loaded.ok()) return loaded.status();
  const std::shared_ptr<const TlsIdentity> old = current();
  if ((*loaded)->certificate_pem == old->certificate_pem && (*loaded)->key_pem == old->key_pem &&
      (*loaded)->client_ca_pem == old->client_ca_pem) {
    return false;
  }
  for (const auto& [id, listener] : listeners_) {
    if (absl::Status status = listener(**loaded); !status.ok()) return status;
  }
  LogIdentity(**loaded);
  const std::lock_guard lock(mutex_);
  identity_ = *std::move(loaded);
  return true;
}

}  // namespace attendant
