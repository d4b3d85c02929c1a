#include "server/server_config.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr char kPrefix[] = "ATTENDANT_";
constexpr int64_t kMax32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kDayMs = 24LL * 3600 * 1000;
constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kTiB = int64_t{1} << 40;

// Without a description: in the help it would drown the rest. Errors still say the range.
CLI::Validator Within(int64_t min, int64_t max) { return CLI::Range(min, max).description(""); }

template <typename Duration>
CLI::Option* AddDuration(CLI::App& app, const std::string& name, Duration* target, const std::string& description) {
  const auto set = [target](const int64_t& count) { *target = Duration(count); };
  const int64_t max = std::chrono::duration_cast<Duration>(std::chrono::milliseconds(kDayMs)).count();
  return app.add_option_function<int64_t>(name, set, description)
      ->default_str(std::to_string(target->count()))
      ->type_name("N")
      ->check(Within(0, max));
}

template <typename Number>
CLI::Option* AddNumber(CLI::App& app, const std::string& name, Number* target, int64_t min, int64_t max,
                       const std::string& description) {
  return app.add_option(name, *target, description)->capture_default_str()->type_name("N")->check(Within(min, max));
}

void AddEngineFlags(CLI::App& app, ServerConfig* config) {
  const std::string group = "Model";
  app.add_option(
         "--precision", config->precision,
         "Number format of the computation: fp32, bf16, int8, or auto: the fastest whose vectors stay close to fp32's")
      ->capture_default_str()
      ->check(CLI::IsMember({"fp32", "bf16", "int8", "auto"}).description(""))
      ->group(group);
  app.add_option(
         "--precision-gate", config->precision_gate,
         "on: bf16 and int8 are compared with fp32 at start, layers that drift are kept wider; off: they are not")
      ->capture_default_str()
      ->check(CLI::IsMember({"on", "off"}).description(""))
      ->group(group);
  app.add_option("--isa", config->isa,
                 "Instruction set of the kernels: auto, scalar, avx2, avxvnni, avx512, avx512vnni, avx512bf16 or amx")
      ->capture_default_str()
      ->group(group);
  app.add_option("--engine", config->engine, "native, or reference (slow and obvious, for comparison)")
      ->capture_default_str()
      ->check(CLI::IsMember({"native", "reference"}).description(""))
      ->group(group);
  AddNumber(app, "--threads", &config->threads, 0, 4096, "Compute threads; 0: as many as affinity and cgroup allow")
      ->group(group);
}

void AddNetworkFlags(CLI::App& app, ServerConfig* config) {
  const std::string group = "Network";
  app.add_option("--grpc-address", config->grpc_address,
                 "Where to serve gRPC: HOST:PORT, [IPv6]:PORT or unix:PATH; port 0 takes a free one")
      ->capture_default_str()
      ->type_name("ADDRESS")
      ->group(group);
  app.add_option("--metrics-address", config->metrics_address, "Where to serve /metrics; off for nowhere")
      ->capture_default_str()
      ->type_name("ADDRESS")
      ->group(group);
  app.add_option("--port-file", config->port_file,
                 "File to write the bound ports to: lines grpc=PORT, http=PORT, metrics=PORT")
      ->type_name("FILE")
      ->group(group);
  AddNumber(app, "--max-concurrent-streams", &config->max_concurrent_streams, 1, kMax32,
            "Calls at a time on one connection")
      ->group(group);
  AddDuration(app, "--max-connection-age-ms", &config->max_connection_age,
              "After this a connection is closed gently, so that clients spread anew; 0: never")
      ->group(group);
  AddDuration(app, "--max-connection-age-grace-ms", &config->max_connection_age_grace,
              "Time that the calls on such a connection still get")
      ->group(group);
}

void AddLimitFlags(CLI::App& app, RequestLimits* limits) {
  const std::string group = "Limits of a request";
  AddNumber(app, "--max-items-per-request", &limits->max_items_per_request, 1, kMax32, "Items of one request")
      ->group(group);
  AddNumber(app, "--max-text-bytes", &limits->max_text_bytes, 1, kMax32, "Bytes of one item; ids count 4 each")
      ->group(group);
  AddNumber(app, "--max-prompt-bytes", &limits->max_prompt_bytes, 0, kMax32, "Bytes of a prompt_text")->group(group);
  AddNumber(app, "--max-tokens-per-item", &limits->max_tokens_per_item, 0, kMax32,
            "Tokens of one item, if fewer than the model can take; 0: the model's maximum")
      ->group(group);
  AddNumber(app, "--max-windows-per-item", &limits->max_windows_per_item, 1, kMax32,
            "Windows that one long text may be cut into")
      ->group(group);
  AddNumber(app, "--max-spans-per-item", &limits->max_spans_per_item, 1, kMax32, "Spans of one text to embed")
      ->group(group);
  AddNumber(app, "--max-message-bytes", &limits->max_message_bytes, 1024, kMax32 / 2,
            "Bytes of a request, and of an Embed response")
      ->group(group);
  AddNumber(app, "--max-attention-bytes", &limits->max_attention_bytes, 1024, kTiB, "Bytes of attention in one answer")
      ->group(group);
  AddNumber(app, "--max-in-flight-per-stream", &limits->max_in_flight_per_stream, 1, 65'536,
            "Requests of one EmbedStream under way")
      ->group(group);
  AddNumber(app, "--max-pending-bytes", &limits->max_pending_bytes, kMiB, kTiB,
            "Memory for the requests and results of all calls under way")
      ->group(group);
  app.add_flag("--allow-untrained-dimensions,!--no-allow-untrained-dimensions", limits->allow_untrained_dimensions,
               "Cut vectors to the dimensions asked for, also of models that were not trained for it (Matryoshka)")
      ->group(group);
  AddDuration(app, "--write-timeout-ms", &limits->write_timeout,
              "A caller that does not take its answer for this long is cut off; 0: never")
      ->group(group);
  AddDuration(app, "--default-timeout-ms", &limits->default_timeout,
              "Deadline of a request that comes without one; 0: none")
      ->group(group);
}

void AddSchedulerFlags(CLI::App& app, SchedulerOptions* options) {
  const std::string group = "Queue and batches";
  AddNumber(app, "--max-batch-tokens", &options->max_batch_tokens, 1, 1 << 20, "Tokens of one batch on one thread")
      ->group(group);
  AddNumber(app, "--max-batch-items", &options->max_batch_items, 1, 1 << 20, "Items of one batch")->group(group);
  AddDuration(app, "--max-batch-delay-us", &options->max_batch_delay,
              "How long a batch that is not full waits for company; 0: never")
      ->group(group);
  AddNumber(app, "--max-queued-tokens", &options->max_queued_tokens, 1, kTiB, "Tokens waiting; more is refused")
      ->group(group);
  app.add_option_function<int64_t>(
         "--bulk-share-percent",
         [options](const int64_t& percent) { options->bulk_share = static_cast<double>(percent) / 100; },
         "Of the compute time, what bulk work gets at least while interactive work leaves it less")
      ->default_str("10")
      ->type_name("N")
      ->check(Within(0, 90))
      ->group(group);
  AddNumber(app, "--max-queued-items", &options->max_queued_items, 1, kTiB, "Items waiting; more is refused")
      ->group(group);
}

void AddSharingFlags(CLI::App& app, SharingOptions* options) {
  const std::string group = "Queue and batches";
  app.add_flag("--share-identical-items,!--no-share-identical-items", options->join_identical,
               "Compute identical items that are under way at the same time once")
      ->group(group);
  AddNumber(app, "--embedding-cache-bytes", &options->cache_bytes, 0, kTiB,
            "Memory for results, so that items that come again are not computed again; 0: none")
      ->group(group);
}

void AddOperationFlags(CLI::App& app, ServerConfig* config) {
  const std::string group = "Operation";
  AddDuration(app, "--drain-delay-ms", &config->drain_delay,
              "After SIGTERM: time in which calls are still accepted, while health says NOT_SERVING")
      ->group(group);
  AddDuration(app, "--drain-timeout-ms", &config->drain_timeout, "Then: time for calls under way to finish")
      ->group(group);
  app.add_option("--log-format", config->log_format, "text or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "json"}).description(""))
      ->group(group);
  app.add_option("--log-level", config->log_level, "debug, info, warning, error or off")
      ->capture_default_str()
      ->check(CLI::IsMember({"debug", "info", "warning", "error", "off"}).description(""))
      ->group(group);
  app.add_flag("--access-log,!--no-access-log", config->access_log, "Log every request: sizes, times and code")
      ->group(group);
}

std::string EnvironmentName(std::string_view flag) {
  std::string name = kPrefix;
  for (const char c : flag) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

bool IsOnCommandLine(const std::vector<std::string>& arguments, const std::string& flag) {
  return std::any_of(arguments.begin(), arguments.end(), [&flag](const std::string& argument) {
    return argument == "--" + flag || argument == "--no-" + flag || argument.rfind("--" + flag + "=", 0) == 0;
  });
}

// What does something else than to start the server is for the command line only.
bool IsCommand(const std::string& flag) { return flag == "help" || flag == "version" || flag == "hash-api-key"; }

// Our own scripts, the client and the tests use some; Kubernetes makes ATTENDANT_SERVICE_HOST, ATTENDANT_PORT_... .
bool IsForSomeoneElse(const std::string& name) {
  static const std::set<std::string> kOthers = {
      "ATTENDANT_SERVER",          "ATTENDANT_CACHE_DIR",    "ATTENDANT_SKIP_SETUP", "ATTENDANT_GRPC_PORT",
      "ATTENDANT_HTTP_PORT",       "ATTENDANT_VERSION",      "ATTENDANT_BIN",        "ATTENDANT_PORT",
      "ATTENDANT_API_KEY",         "ATTENDANT_API_KEY_FILE", "ATTENDANT_TLS",        "ATTENDANT_TLS_CA",
      "ATTENDANT_TLS_SERVER_NAME", "ATTENDANT_CLIENT_CERT",  "ATTENDANT_CLIENT_KEY", "ATTENDANT_ADMIN"};
  const auto starts = [&name](const char* prefix) { return name.rfind(prefix, 0) == 0; };
  return kOthers.count(name) > 0 || starts("ATTENDANT_TEST_") || starts("ATTENDANT_SERVICE_") ||
         starts("ATTENDANT_PORT_") || starts("ATTENDANT_CONTAINER_");
}

// The environment's settings as arguments in front of the command line's, unless that one gives them, too.
class Environment {
 public:
  Environment(const std::map<std::string, std::string>& variables, const CLI::App& app,
              const std::vector<std::string>& arguments, std::vector<std::string>* warnings) {
    std::set<std::string> known;
    for (const CLI::Option* option : app.get_options()) {
      if (option->get_lnames().empty()) continue;
      const std::string& flag = option->get_lnames().front();
      const std::string name = EnvironmentName(flag);
      known.insert(name);
      const auto it = variables.find(name);
      if (it == variables.end() || IsCommand(flag) || IsOnCommandLine(arguments, flag)) continue;
      // An empty variable is as good as none, but "nowhere" is a setting.
      if (it->second.empty() && flag != "metrics-address" && flag != "http-address") continue;
      arguments_.push_back(absl::StrCat("--", flag, "=", it->second.empty() ? "off" : it->second));
      used_[absl::StrCat("--", flag)] = name;
    }
    for (const auto& [name, value] : variables) {
      if (name.rfind(kPrefix, 0) != 0 || known.count(name) > 0 || IsForSomeoneElse(name)) continue;
      warnings->push_back(absl::StrCat("environment variable ", name, " is not a setting of this server"));
    }
  }

  const std::vector<std::string>& arguments() const { return arguments_; }

  // A parser's message names the flag; the reader may have set a variable.
  std::string Explain(std::string message) const {
    for (const auto& [flag, name] : used_) {
      const size_t end = message.find(flag) + flag.size();
      if (message.find(flag) == std::string::npos) continue;
      if (end < message.size() && (message[end] == '-' || std::isalnum(static_cast<unsigned char>(message[end]))))
        continue;
      absl::StrAppend(&message, " (set by environment variable ", name, ")");
    }
    return message;
  }

 private:
  std::vector<std::string> arguments_;
  std::map<std::string, std::string> used_;
};

void SetUp(CLI::App& app, ServerConfig* config, ModelFlags* models) {
  app.set_help_flag("--help,-h", "Print this help and exit");
  app.set_version_flag("--version", absl::StrCat("attendant-server ", ATTENDANT_VERSION), "Print the version and exit");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.get_formatter()->column_width(40);
  AddModelFlags(app, &config->models, models);
  AddEngineFlags(app, config);
  AddNetworkFlags(app, config);
  AddHttpFlags(app, &config->http);
  AddSecurityFlags(app, &config->security);
  AddLimitFlags(app, &config->limits);
  AddSchedulerFlags(app, &config->scheduler);
  AddSharingFlags(app, &config->sharing);
  AddOperationFlags(app, config);
  app.add_option("--hash-api-key", "Read an API key from standard input, print its line for --api-keys-file, exit")
      ->configurable(false)
      ->type_name("NAME")
      ->group("Security");
  app.set_config("--config", "", "Configuration file (TOML): lines of NAME = VALUE, names as the flags without --")
      ->type_name("FILE")
      ->group("Operation");
  app.footer(
      "Every flag --some-name is also environment variable ATTENDANT_SOME_NAME and some-name in the configuration "
      "file.\n"
      "The command line goes before the environment, the environment before the file.\n"
      "Signals: SIGTERM and SIGINT finish what is under way and exit with 0; a second one exits at once. SIGHUP reads "
      "the\n"
      "settings again: models that are new, changed or gone are loaded, swapped and unloaded.");
}

CommandLine Failure(const std::string& message) {
  CommandLine result;
  result.text = absl::StrCat("attendant-server: ", message, "\nSee attendant-server --help.\n");
  result.exit_status = 2;
  return result;
}

}  // namespace

CommandLine ParseCommandLine(const std::vector<std::string>& arguments,
                             const std::map<std::string, std::string>& environment) {
  CommandLine result;
  ServerConfig config;
  CLI::App app("Serves embeddings of a transformer encoder over gRPC and HTTP.", "attendant-server");
  ModelFlags models;
  SetUp(app, &config, &models);
  const Environment variables(environment, app, arguments, &result.warnings);
  // CLI11 takes the arguments from the back; of an empty --flag= it would take the next argument for the value.
  std::vector<std::string> all;
  for (auto argument = arguments.rbegin(); argument != arguments.rend(); ++argument) {
    const bool empty_value = argument->rfind("--", 0) == 0 && argument->size() > 3 && argument->back() == '=';
    if (empty_value) all.push_back("");
    all.push_back(empty_value ? argument->substr(0, argument->size() - 1) : *argument);
  }
  all.insert(all.end(), variables.arguments().rbegin(), variables.arguments().rend());
  try {
    app.parse(std::move(all));
  } catch (const CLI::CallForHelp&) {
    result.text = app.help();
    return result;
  } catch (const CLI::CallForVersion& version) {
    result.text = absl::StrCat(version.what(), "\n");
    return result;
  } catch (const CLI::ParseError& error) {
    return Failure(variables.Explain(error.what()));
  }
  if (const CLI::Option* hash = app.get_option("--hash-api-key"); hash->count() > 0) {
    result.hash_api_key = hash->as<std::string>();
    return result;
  }
  if (const absl::Status status = FinishModelFlags(models, &config.models); !status.ok()) {
    return Failure(std::string(status.message()));
  }
  if (const absl::Status status = FinishHttpFlags(&config.http); !status.ok()) {
    return Failure(std::string(status.message()));
  }
  if (config.metrics_address == "off") config.metrics_address.clear();
  if (const absl::Status status = CheckConfig(config); !status.ok()) return Failure(std::string(status.message()));
  result.config = std::move(config);
  return result;
}

absl::Status CheckConfig(const ServerConfig& config) {
  const RequestLimits& limits = config.limits;
  const SchedulerOptions& scheduler = config.scheduler;
  const auto contradiction = [](const std::string& small, int64_t low, const std::string& large, int64_t high) {
    return absl::InvalidArgumentError(
        absl::StrCat(small, " (", low, ") must not be larger than ", large, " (", high, ")"));
  };
  if (limits.max_items_per_request > scheduler.max_queued_items) {
    return contradiction("--max-items-per-request", limits.max_items_per_request, "--max-queued-items",
                         scheduler.max_queued_items);
  }
  if (limits.max_text_bytes > limits.max_message_bytes) {
    return contradiction("--max-text-bytes", limits.max_text_bytes, "--max-message-bytes", limits.max_message_bytes);
  }
  if (limits.max_prompt_bytes > limits.max_text_bytes) {
    return contradiction("--max-prompt-bytes", limits.max_prompt_bytes, "--max-text-bytes", limits.max_text_bytes);
  }
  if (limits.max_message_bytes > limits.max_pending_bytes) {
    return contradiction("--max-message-bytes", limits.max_message_bytes, "--max-pending-bytes",
                         limits.max_pending_bytes);
  }
  if (limits.max_attention_bytes > limits.max_pending_bytes) {
    return contradiction("--max-attention-bytes", limits.max_attention_bytes, "--max-pending-bytes",
                         limits.max_pending_bytes);
  }
  if (absl::Status status = CheckSecurityConfig(config.security); !status.ok()) return status;
  const bool any_port = config.grpc_address.ends_with(":0");
  if (config.grpc_address == config.metrics_address && !any_port) {
    return absl::InvalidArgumentError("--grpc-address and --metrics-address are the same");
  }
  if (const std::string& http = config.http.address; !http.empty() && !http.ends_with(":0")) {
    if (http == config.grpc_address)
      return absl::InvalidArgumentError("--http-address and --grpc-address are the same");
    if (http == config.metrics_address) {
      return absl::InvalidArgumentError("--http-address and --metrics-address are the same");
    }
  }
  if (config.http.max_body_bytes > limits.max_pending_bytes) {
    return contradiction("--http-max-body-bytes", config.http.max_body_bytes, "--max-pending-bytes",
                         limits.max_pending_bytes);
  }
  return absl::OkStatus();
}

std::map<std::string, std::string> ProcessEnvironment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view pair = *entry;
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos) variables.emplace(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return variables;
}

}  // namespace attendant
