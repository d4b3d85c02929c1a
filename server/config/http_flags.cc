#include "server/config/http_flags.h"

#include <CLI/CLI.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr char kGroup[] = "HTTP";
constexpr char kDefaultAddress[] = "127.0.0.1:8080";
constexpr int64_t kMaxBodyBytes = int64_t{1} << 30;
constexpr int64_t kDayMs = 24LL * 3600 * 1000;
constexpr int kMaxConnections = 65'536;

void AddTimeout(CLI::App& app, const std::string& name, std::chrono::milliseconds* target,
                const std::string& description) {
  app.add_option_function<int64_t>(
         name, [target](const int64_t& count) { *target = std::chrono::milliseconds(count); }, description)
      ->default_str(std::to_string(target->count()))
      ->type_name("N")
      ->check(CLI::Range(int64_t{1}, kDayMs).description(""))
      ->group(kGroup);
}

}  // namespace

void AddHttpFlags(CLI::App& app, HttpSettings* settings) {
  settings->address = kDefaultAddress;
  app.add_option("--http-address", settings->address,
                 "Where to serve HTTP: HOST:PORT or [IPv6]:PORT; port 0 takes a free one; off for nowhere")
      ->capture_default_str()
      ->type_name("ADDRESS")
      ->group(kGroup);
  app.add_option("--http-max-body-bytes", settings->max_body_bytes,
                 "Bytes of a request's body, decompressed; 0: as --max-message-bytes")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, kMaxBodyBytes).description(""))
      ->group(kGroup);
  app.add_option("--http-max-connections", settings->max_connections,
                 "Connections at a time; then the one that has been idle longest gives way")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(1, kMaxConnections).description(""))
      ->group(kGroup);
  AddTimeout(app, "--http-header-timeout-ms", &settings->header_timeout, "For the head of a request to arrive");
  AddTimeout(app, "--http-body-timeout-ms", &settings->body_timeout, "Then: for its body");
  AddTimeout(app, "--http-idle-timeout-ms", &settings->idle_timeout, "After this without a request: close");
  app.add_option("--http-cors-origins", settings->cors_origins,
                 "Origins whose pages may call, such as https://example.com, separated by commas; * for all")
      ->delimiter(',')
      ->type_name("ORIGINS")
      ->group(kGroup);
  app.add_flag("--http-gzip,!--no-http-gzip", settings->gzip,
               "Compress answers for callers that accept it, but for vectors in base64")
      ->group(kGroup);
}

absl::Status FinishHttpFlags(HttpSettings* settings) {
  if (settings->address == "off") settings->address.clear();
  for (const std::string& origin : settings->cors_origins) {
    const size_t scheme = origin.find("://");
    const bool is_origin = scheme != std::string::npos && origin.find('/', scheme + 3) == std::string::npos;
    if (origin == "*" || origin == "null" || is_origin) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--http-cors-origins: \"", origin, "\" is no origin, such as https://example.com"));
  }
  return absl::OkStatus();
}

}  // namespace attendant
