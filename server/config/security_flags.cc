#include "server/config/security_flags.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

void AddFile(CLI::App& app, const std::string& name, std::string* target, const std::string& description) {
  app.add_option(name, *target, description)->type_name("FILE")->group("Security");
}

}  // namespace

void AddSecurityFlags(CLI::App& app, SecurityConfig* config) {
  AddFile(app, "--api-keys-file", &config->api_keys_file,
          "Hashes of the API keys that callers must send one of (see --hash-api-key); without: anybody may call");
  AddFile(app, "--tls-cert", &config->tls_cert,
          "Certificate chain (PEM) of the gRPC and HTTP listeners; without: no TLS");
  AddFile(app, "--tls-key", &config->tls_key, "Its private key (PEM)");
  AddFile(app, "--tls-client-ca", &config->tls_client_ca,
          "Authorities (PEM) of client certificates, which are then required");
  app.add_flag("--metrics-tls,!--no-metrics-tls", config->metrics_tls, "The metrics listener speaks TLS, too")
      ->group("Security");
  app.add_flag("--metrics-require-key,!--no-metrics-require-key", config->metrics_require_key,
               "/metrics wants an API key with allow=metrics")
      ->group("Security");
  app.add_option("--reflection", config->reflection,
                 "Server reflection, for which no key is needed: on, off, or auto: on while there are no API keys")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off", "auto"}).description(""))
      ->group("Security");
}

absl::Status CheckSecurityConfig(const SecurityConfig& config) {
  const auto needs = [](const char* flag, const char* other) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " needs ", other));
  };
  if (!config.tls_cert.empty() && config.tls_key.empty()) return needs("--tls-cert", "--tls-key");
  if (config.tls_cert.empty() && !config.tls_key.empty()) return needs("--tls-key", "--tls-cert");
  if (config.tls_cert.empty() && !config.tls_client_ca.empty()) return needs("--tls-client-ca", "--tls-cert");
  if (config.tls_cert.empty() && config.metrics_tls) return needs("--metrics-tls", "--tls-cert");
  if (config.api_keys_file.empty() && config.metrics_require_key) {
    return needs("--metrics-require-key", "--api-keys-file");
  }
  return absl::OkStatus();
}

}  // namespace attendant
