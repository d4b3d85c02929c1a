#include "client/cli/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace attendant::cli {
namespace {

// A day; longer is the same as forever for a command, and forever is what no call may take.
constexpr double kLongestTimeoutSeconds = 86'400;

const std::map<std::string, client::Pooling>& PoolingNames() {
  static const auto* const names = new std::map<std::string, client::Pooling>{
      {"mean", client::Pooling::kMean},
      {"cls", client::Pooling::kCls},
      {"max", client::Pooling::kMax},
      {"mean_sqrt_len", client::Pooling::kMeanSqrtLen},
      {"weighted_mean", client::Pooling::kWeightedMean},
      {"last_token", client::Pooling::kLastToken},
  };
  return *names;
}

const std::map<std::string, client::Truncation>& TruncationNames() {
  static const auto* const names = new std::map<std::string, client::Truncation>{
      {"default", client::Truncation::kModelDefault},
      {"error", client::Truncation::kError},
      {"end", client::Truncation::kEnd},
      {"start", client::Truncation::kStart},
  };
  return *names;
}

template <typename Enum>
std::vector<std::string> Names(const std::map<std::string, Enum>& names) {
  std::vector<std::string> out;
  for (const auto& [name, value] : names) out.push_back(name);
  return out;
}

}  // namespace

client::Milliseconds ConnectionFlags::timeout() const {
  return client::Milliseconds(std::max<int64_t>(1, static_cast<int64_t>(timeout_s * 1000)));
}

absl::StatusOr<client::ClientOptions> ConnectionFlags::client_options() const {
  client::ClientOptions options;
  options.target = server;
  options.default_timeout = timeout();
  // Not by a flag: everybody on the machine can read a command line.
  if (const char* key = std::getenv("ATTENDANT_API_KEY"); key != nullptr) options.api_key = key;
  options.tls.enabled = tls || !tls_ca.empty() || !tls_cert.empty() || !tls_server_name.empty();
  options.tls.server_name = tls_server_name;
  const std::tuple<const char*, const std::string*, std::string*> files[] = {
      {"--api-key-file", &api_key_file, &options.api_key},
      {"--tls-ca", &tls_ca, &options.tls.authorities},
      {"--tls-cert", &tls_cert, &options.tls.certificate},
      {"--tls-key", &tls_key, &options.tls.key}};
  for (const auto& [flag, path, target] : files) {
    if (path->empty()) continue;
    std::ifstream file(*path, std::ios::binary);
    target->assign(std::istreambuf_iterator<char>(file), {});
    if (!file) return absl::InvalidArgumentError(absl::StrCat(flag, ": cannot read ", *path));
  }
  absl::StripTrailingAsciiWhitespace(&options.api_key);
  return options;
}

void AddConnectionFlags(CLI::App& command, ConnectionFlags* flags) {
  command.add_option("-s,--server", flags->server, "address of the server")
      ->envname("ATTENDANT_SERVER")
      ->type_name("HOST:PORT")
      ->capture_default_str()
      ->check([](const std::string& value) { return std::string(value.empty() ? "must not be empty" : ""); });
  command.add_option("--timeout", flags->timeout_s, "longest wait for an answer")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::Range(0.001, kLongestTimeoutSeconds));
  AddCredentialFlags(command, flags);
}

void AddAdminFlags(CLI::App& command, ConnectionFlags* flags) {
  command.add_option("--admin", flags->server, "the server's admin listener (its --admin-address)")
      ->envname("ATTENDANT_ADMIN")
      ->type_name("HOST:PORT")
      ->capture_default_str()
      ->check([](const std::string& value) { return std::string(value.empty() ? "must not be empty" : ""); });
  command.add_option("--timeout", flags->timeout_s, "longest wait for an answer; loading takes a while")
      ->type_name("SECONDS")
      ->capture_default_str()
      ->check(CLI::Range(0.001, kLongestTimeoutSeconds));
  AddCredentialFlags(command, flags);
}

void AddCredentialFlags(CLI::App& command, ConnectionFlags* flags) {
  command
      .add_option("--api-key-file", flags->api_key_file,
                  "file with the API key to send (or the key itself in $ATTENDANT_API_KEY)")
      ->envname("ATTENDANT_API_KEY_FILE")
      ->type_name("FILE");
  command.add_flag("--tls", flags->tls, "speak TLS; any of the other TLS flags means the same")
      ->envname("ATTENDANT_TLS");
  command.add_option("--tls-ca", flags->tls_ca, "authorities to trust, PEM (default: the system's)")
      ->envname("ATTENDANT_TLS_CA")
      ->type_name("FILE");
  // Not $ATTENDANT_TLS_CERT and _KEY: these are the server's own, and a health check runs in its environment.
  auto* cert = command.add_option("--tls-cert", flags->tls_cert, "certificate of this client, PEM")
                   ->envname("ATTENDANT_CLIENT_CERT")
                   ->type_name("FILE");
  auto* key = command.add_option("--tls-key", flags->tls_key, "its private key, PEM")
                  ->envname("ATTENDANT_CLIENT_KEY")
                  ->type_name("FILE")
                  ->needs(cert);
  cert->needs(key);
  command
      .add_option("--tls-server-name", flags->tls_server_name,
                  "what the server's certificate must be for (default: the host of --server)")
      ->envname("ATTENDANT_TLS_SERVER_NAME")
      ->type_name("NAME");
}

void AddModelFlag(CLI::App& command, ConnectionFlags* flags) {
  command.add_option("--model", flags->model, "model to use (default: the server's)")->type_name("NAME");
}

absl::StatusOr<std::unique_ptr<client::Client>> Connect(const ConnectionFlags& flags) {
  auto options = flags.client_options();
  if (!options.ok()) return options.status();
  return client::Client::Create(*options);
}

void AddTextFlags(CLI::App& command, TextFlags* flags) {
  auto* name = command
                   .add_option_function<std::string>(
                       "--prompt-name", [flags](const std::string& value) { flags->prompt_name = value; },
                       "one of the model's prompts, put before each text")
                   ->type_name("NAME");
  command
      .add_option_function<std::string>(
          "--prompt", [flags](const std::string& value) { flags->prompt_text = value; },
          "text put before each text; \"\" for none")
      ->type_name("TEXT")
      ->excludes(name);
  command
      .add_option_function<std::string>(
          "--truncation", [flags](const std::string& value) { flags->truncation = TruncationNames().at(value); },
          "what happens to texts that are too long: default (as the model does), end or start (where to cut), error")
      ->check(CLI::IsMember(Names(TruncationNames())));
}

void AddVectorFlags(CLI::App& command, VectorFlags* flags) {
  command
      .add_option_function<std::vector<std::string>>(
          "--pooling",
          [flags](const std::vector<std::string>& values) {
            for (const std::string& value : values) flags->pooling.push_back(PoolingNames().at(value));
          },
          "instead of the model's own pooling; several, separated by commas, are concatenated")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(Names(PoolingNames())));
  command.add_flag_function(
      "--normalize,!--no-normalize", [flags](int64_t count) { flags->normalize = count > 0; },
      "make every vector's length 1, or leave it (default: as the model does)");
  const std::map<std::string, client::ServiceClass> classes = {{"interactive", client::ServiceClass::kInteractive},
                                                               {"bulk", client::ServiceClass::kBulk}};
  command
      .add_option_function<std::string>(
          "--class", [flags, classes](const std::string& value) { flags->service_class = classes.at(value); },
          "interactive: go first; bulk: take what capacity is left (default: bulk on a stream, else interactive)")
      ->check(CLI::IsMember(Names(classes)));
}

client::EmbedOptions ToEmbedOptions(const ConnectionFlags& connection, const TextFlags& text,
                                    const VectorFlags& vectors) {
  client::EmbedOptions options;
  options.model = connection.model;
  options.pooling = vectors.pooling;
  options.normalize = vectors.normalize;
  options.prompt = text.prompt();
  options.truncation = text.truncation;
  options.service_class = vectors.service_class;
  return options;
}

std::string PoolingName(client::Pooling pooling) {
  for (const auto& [name, value] : PoolingNames()) {
    if (value == pooling) return name;
  }
  return "unknown";
}

}  // namespace attendant::cli
