#include "server/http/api/documents.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/api/embedded_documents.h"

namespace attendant {
namespace {

// Nothing from elsewhere, nothing written into the page itself.
constexpr char kContentPolicy[] =
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

// FNV-1a: enough to tell one version of a file from the next.
std::string TagOf(std::string_view body) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : body) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return absl::StrCat("\"", absl::Hex(hash, absl::kZeroPad16), "\"");
}

}  // namespace

void RegisterHealth(std::function<bool()> ready, HttpServer* server) {
  server->Handle("GET", "/healthz", [](HttpRequest&) { return HttpResponse{.body = "alive\n"}; });
  server->Handle("GET", "/readyz", [ready = std::move(ready)](HttpRequest&) {
    return ready() ? HttpResponse{.body = "ready\n"} : HttpResponse{.status = 503, .body = "not ready\n"};
  });
}

void RegisterPage(HttpServer* server) {
  for (const Asset& asset : Assets()) RegisterFile(asset, server);
}

void RegisterFile(const Asset& file, HttpServer* server) {
  server->Handle("GET", std::string(file.path), [file, tag = TagOf(file.body)](HttpRequest& request) {
    HttpResponse response{.content_type = std::string(file.content_type)};
    response.headers = {{"ETag", tag},
                        {"Cache-Control", "no-cache"},
                        {"Content-Security-Policy", kContentPolicy},
                        {"Referrer-Policy", "no-referrer"}};
    if (request.Header("If-None-Match") == tag) {
      response.status = 304;
    } else {
      response.body = std::string(file.body);
    }
    return response;
  });
}

void RegisterDocuments(HttpServer* server) {
  const std::array<Asset, 4> files{
      Asset{"/openapi.json", "application/json", kOpenapiJson},
      Asset{"/docs", "text/html; charset=utf-8", kDocsHtml},
      Asset{"/docs/docs.css", "text/css; charset=utf-8", kDocsCss},
      Asset{"/docs/docs.js", "text/javascript; charset=utf-8", kDocsJs},
  };
  for (const Asset& file : files) RegisterFile(file, server);
}

}  // namespace attendant
