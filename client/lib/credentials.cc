// How a client shows who it is, and whom it trusts.
#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/lib/grpc_support.h"

namespace attendant::client {
namespace {

absl::Status CheckPem(const std::string& pem, const char* option, const char* what) {
  if (pem.empty() || absl::StrContains(pem, what)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, ": there is no PEM ", what, " in it"));
}

}  // namespace

absl::Status CheckCredentials(const ClientOptions& options) {
  // gRPC ends the process over a header that HTTP does not allow.
  if (!std::all_of(options.api_key.begin(), options.api_key.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return absl::InvalidArgumentError("api_key must be of printable ASCII characters without spaces");
  }
  const TlsOptions& tls = options.tls;
  const bool any = !tls.authorities.empty() || !tls.certificate.empty() || !tls.key.empty() || !tls.server_name.empty();
  if (any && !tls.enabled) return absl::InvalidArgumentError("tls has settings but is not enabled");
  if (tls.certificate.empty() != tls.key.empty()) {
    return absl::InvalidArgumentError("tls.certificate and tls.key go together");
  }
  absl::Status status = CheckPem(tls.authorities, "tls.authorities", "CERTIFICATE");
  if (status.ok()) status = CheckPem(tls.certificate, "tls.certificate", "CERTIFICATE");
  if (status.ok()) status = CheckPem(tls.key, "tls.key", "PRIVATE KEY");
  return status;
}

std::shared_ptr<grpc::ChannelCredentials> NewCredentials(const TlsOptions& options) {
  if (!options.enabled) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({options.authorities, options.key, options.certificate});
}

}  // namespace attendant::client
