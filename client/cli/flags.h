// Flags that several commands have in common, and what they mean to the library.
//
// The structs are filled by CLI11 while it parses and must stay where they are until then (commands keep them in a
// shared_ptr). Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_FLAGS_H_
#define ATTENDANT_CLIENT_CLI_FLAGS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/lib/client.h"

namespace CLI {
class App;
}

namespace attendant::cli {

struct ConnectionFlags {
  std::string server = "127.0.0.1:50051";
  double timeout_s = 30;
  std::string model{};
  std::string api_key_file{};
  bool tls = false;
  std::string tls_ca{};  // files
  std::string tls_cert{};
  std::string tls_key{};
  std::string tls_server_name{};

  client::Milliseconds timeout() const;
  client::CallOptions call() const { return {.timeout = timeout()}; }
  // Reads the key and the certificates. The error names the flag and the file.
  absl::StatusOr<client::ClientOptions> client_options() const;
};
void AddConnectionFlags(CLI::App& command, ConnectionFlags* flags);
// The same for the admin listener: --admin instead of --server.
void AddAdminFlags(CLI::App& command, ConnectionFlags* flags);
// The part of both that says who calls.
void AddCredentialFlags(CLI::App& command, ConnectionFlags* flags);
// --model, for commands that have one.
void AddModelFlag(CLI::App& command, ConnectionFlags* flags);

// An error here is one of usage: a file that cannot be read, or is not what it should be.
absl::StatusOr<std::unique_ptr<client::Client>> Connect(const ConnectionFlags& flags);

// How text becomes tokens.
struct TextFlags {
  std::optional<std::string> prompt_name;
  std::optional<std::string> prompt_text;
  client::Truncation truncation = client::Truncation::kModelDefault;

  client::PromptOptions prompt() const { return {prompt_name, prompt_text}; }
};
void AddTextFlags(CLI::App& command, TextFlags* flags);

// How tokens become vectors.
struct VectorFlags {
  std::vector<client::Pooling> pooling;
  std::optional<bool> normalize;
  client::ServiceClass service_class = client::ServiceClass::kDefault;
};
void AddVectorFlags(CLI::App& command, VectorFlags* flags);

client::EmbedOptions ToEmbedOptions(const ConnectionFlags& connection, const TextFlags& text,
                                    const VectorFlags& vectors);

std::string PoolingName(client::Pooling pooling);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_FLAGS_H_
