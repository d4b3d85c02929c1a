#include "server/http/api/http_api.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/http/api/cohere.h"
#include "server/http/api/documents.h"
#include "server/http/api/json_writer.h"
#include "server/http/api/native.h"
#include "server/http/api/openai.h"
#include "server/http/api/tei.h"

namespace attendant {
namespace {

// What no handler says, in the words that are most likely expected.
HttpResponse Refusal(int status, const std::string& message, const HttpRequest& request) {
  const std::string& path = request.path();
  std::string body;
  if (absl::StartsWith(path, "/v1/")) {
    const std::string what = absl::StrCat(message, " (", request.method(), " ", path, ")");
    body = "{\"error\":{\"message\":";
    AppendJsonString(what, &body);
    absl::StrAppend(&body, ",\"type\":\"", status < 500 ? "invalid_request_error" : "server_error",
                    "\",\"param\":null,\"code\":", status == 404 ? "\"unknown_url\"" : "null", "}}");
  } else if (absl::StartsWith(path, "/v2/")) {
    body = "{\"message\":";
    AppendJsonString(message, &body);
    body.append("}");
  } else {
    body = "{\"error\":";
    AppendJsonString(message, &body);
    absl::StrAppend(&body, ",\"error_type\":\"", status == 503 ? "Unhealthy" : "Validation", "\"}");
  }
  HttpResponse response = JsonResponse(std::move(body));
  response.status = status;
  return response;
}

ServiceCore WithRight(ServiceCore core, Right right) {
  core.right = right;
  return core;
}

HttpServerOptions WithRefusal(HttpServerOptions options) {
  options.refusal = &Refusal;
  return options;
}

}  // namespace

HttpApi::HttpApi(HttpApiOptions options)
    : options_(std::move(options)),
      metrics_service_core_(WithRight(options_.core, Right::kMetrics)),
      core_{&options_.core, options_.max_body_bytes},
      metrics_core_{&metrics_service_core_, options_.max_body_bytes},
      server_(WithRefusal(options_.server)) {
  RegisterHealth(options_.ready, &server_);
  RegisterDocuments(&server_);
  RegisterPage(&server_);
  RegisterMetrics(metrics_core_, &server_);
  RegisterNative(core_, &server_);
  RegisterOpenAi(core_, &server_);
  RegisterTei(core_, options_.facts, options_.ready, &server_);
  RegisterCohere(core_, &server_);
}

absl::StatusOr<std::unique_ptr<HttpApi>> HttpApi::Start(HttpApiOptions options) {
  std::unique_ptr<HttpApi> api(new HttpApi(std::move(options)));
  if (absl::Status status = api->server_.Start(); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("HTTP: ", status.message(), " (--http-address)"));
  }
  return api;
}

}  // namespace attendant
