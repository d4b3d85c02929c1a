// Every setting of the server, and how it is given: command line, environment (ATTENDANT_*), configuration file.
//
// One name for all three: --max-batch-tokens, ATTENDANT_MAX_BATCH_TOKENS, max-batch-tokens = 512 in the file. The
// command line goes before the environment, the environment before the file. Anything unknown, out of range or
// contradictory is an error; only unknown ATTENDANT_* variables are warnings, because Kubernetes makes such variables
// by itself for a service that is called "attendant". Thread-safety: plain data and a pure function.
#ifndef ATTENDANT_SERVER_SERVER_CONFIG_H_
#define ATTENDANT_SERVER_SERVER_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/config/http_flags.h"
#include "server/config/model_flags.h"
#include "server/config/security_flags.h"
#include "server/rpc/limits.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/work_sharing.h"

namespace attendant {

struct ServerConfig {
  ModelSettings models;
  std::string precision = "fp32";
  std::string precision_gate = "on";
  std::string isa = "auto";
  std::string engine = "native";
  int threads = 0;  // 0: as many as this process may use

  std::string grpc_address = "127.0.0.1:50051";
  std::string metrics_address = "127.0.0.1:9464";   // empty: no metrics server
  std::string port_file;                            // empty: none
  int32_t max_concurrent_streams = 1000;            // of one connection
  std::chrono::milliseconds max_connection_age{0};  // 0: unlimited
  std::chrono::milliseconds max_connection_age_grace{30'000};
  HttpSettings http;

  SecurityConfig security;
  RequestLimits limits;
  SharingOptions sharing;
  SchedulerOptions scheduler;  // num_workers is not a setting; it follows from threads

  std::chrono::milliseconds drain_delay{0};
  std::chrono::milliseconds drain_timeout{30'000};

  std::string log_format = "text";
  std::string log_level = "info";
  bool access_log = false;
};

// Either a config to start with, or a text to print and a status to exit with (--help, --version, an error).
struct CommandLine {
  std::optional<ServerConfig> config;
  std::optional<std::string> hash_api_key;  // instead: read a key from standard input, print its line for this name
  std::vector<std::string> warnings;
  std::string text;
  int exit_status = 0;
};

// arguments: without the program's name. environment: all of it, or what a test gives.
CommandLine ParseCommandLine(const std::vector<std::string>& arguments,
                             const std::map<std::string, std::string>& environment);

// Settings that contradict each other; INVALID_ARGUMENT names both.
absl::Status CheckConfig(const ServerConfig& config);

std::map<std::string, std::string> ProcessEnvironment();

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SERVER_CONFIG_H_
