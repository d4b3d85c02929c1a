#include "server/server_security.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/network/listen_address.h"
#include "server/observability/logging.h"

namespace attendant {

absl::StatusOr<std::unique_ptr<ServerSecurity>> ServerSecurity::Load(const SecurityConfig& config) {
  std::unique_ptr<ServerSecurity> security(new ServerSecurity(config));
  if (!config.api_keys_file.empty()) {
    auto keys = ApiKeys::Load(config.api_keys_file);
    if (!keys.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("API keys: ", keys.status().message(), " (--api-keys-file)"));
    }
    security->keys_ = *std::move(keys);
    ApiKeys* watched = security->keys_.get();
    security->watch_.Watch("API keys", {watched->path()}, [watched] { return watched->Reload(); });
    LogInfo("API keys", {{"file", config.api_keys_file}, {"keys", watched->size()}});
  }
  const TlsFiles files{config.tls_cert, config.tls_key, config.tls_client_ca};
  if (files.enabled()) {
    auto tls = TlsStore::Load(files);
    if (!tls.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("TLS: ", tls.status().message(), " (--tls-cert, --tls-key, --tls-client-ca)"));
    }
    security->tls_ = *std::move(tls);
    TlsStore* watched = security->tls_.get();
    security->watch_.Watch("certificates", watched->paths(), [watched] { return watched->Reload(); });
  }
  security->watch_.Start();
  return security;
}

bool ServerSecurity::reflection() const {
  return config_.reflection == "on" || (config_.reflection == "auto" && keys_ == nullptr);
}

SecurityStats ServerSecurity::Stats() const {
  SecurityStats stats;
  if (keys_ != nullptr) {
    for (KeyUsage& usage : keys_->Usage()) {
      stats.keys.push_back({std::move(usage.name), usage.requests, usage.tokens, usage.refused});
    }
  }
  if (tls_ != nullptr) stats.certificate_expiry_unix_seconds = tls_->current()->expiry_unix_seconds;
  return stats;
}

void ServerSecurity::WarnOfExposure(const Addresses& addresses) const {
  std::vector<std::string> exposed;
  const auto check = [&exposed](const char* what, const std::string& address, bool authenticated, bool encrypted) {
    if (address.empty() || IsThisMachineOnly(address) || (authenticated && encrypted)) return;
    const char* missing = encrypted ? "a key" : authenticated ? "TLS" : "a key or TLS";
    exposed.push_back(absl::StrCat(what, " on ", address, " without ", missing));
  };
  const bool mutual = !config_.tls_client_ca.empty();
  check("gRPC", addresses.grpc, keys_ != nullptr || mutual, tls_ != nullptr);
  check("HTTP", addresses.http, keys_ != nullptr || mutual, tls_ != nullptr);
  check("metrics", addresses.metrics, metrics_keys() != nullptr || (mutual && config_.metrics_tls),
        metrics_tls() != nullptr);
  check("admin", addresses.admin, keys_ != nullptr, tls_ != nullptr);
  if (!exposed.empty()) {
    LogWarning("others can reach this server",
               {{"listeners", absl::StrJoin(exposed, "; ")}, {"see", "docs/security.md"}});
  }
}

}  // namespace attendant
