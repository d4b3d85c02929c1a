#include "server/server_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace attendant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Environment = std::map<std::string, std::string>;

class ServerConfigTest : public ::testing::Test {
 protected:
  ServerConfig Parse(std::vector<std::string> arguments, const Environment& environment = {}) {
    arguments.insert(arguments.begin(), {"--model", "DIR"});
    CommandLine result = ParseCommandLine(arguments, environment);
    EXPECT_TRUE(result.config.has_value()) << result.text;
    return result.config.value_or(ServerConfig());
  }

  std::string ErrorOf(std::vector<std::string> arguments, const Environment& environment = {}) {
    arguments.insert(arguments.begin(), {"--model", "DIR"});
    const CommandLine result = ParseCommandLine(arguments, environment);
    EXPECT_FALSE(result.config.has_value());
    EXPECT_EQ(result.exit_status, 2);
    return result.text;
  }

  std::string WriteFile(const std::string& text) {
    const std::string path = ::testing::TempDir() + "server_config_test.toml";
    std::ofstream(path) << text;
    return path;
  }
};

TEST_F(ServerConfigTest, DefaultsAreThoseOfTheStructs) {
  const ServerConfig config = Parse({});
  ASSERT_EQ(config.models.specs.size(), 1u);
  EXPECT_EQ(config.models.specs[0].directory, "DIR");
  EXPECT_EQ(config.models.specs[0].name, "DIR");
  EXPECT_EQ(config.models.admin_address, "");
  EXPECT_EQ(config.grpc_address, "127.0.0.1:50051");
  EXPECT_EQ(config.metrics_address, "127.0.0.1:9464");
  EXPECT_EQ(config.limits.max_items_per_request, RequestLimits().max_items_per_request);
  EXPECT_EQ(config.limits.default_timeout, RequestLimits().default_timeout);
  EXPECT_EQ(config.scheduler.max_queued_tokens, SchedulerOptions().max_queued_tokens);
  EXPECT_FALSE(config.access_log);
}

TEST_F(ServerConfigTest, FlagsOfEveryKind) {
  const ServerConfig config = Parse({"--threads=3", "--max-batch-delay-us", "250", "--drain-timeout-ms", "7",
                                     "--access-log", "--log-format=json", "--metrics-address=off",
                                     "--max-pending-bytes", "1000000000000", "--model-name", "my model"});
  EXPECT_EQ(config.threads, 3);
  EXPECT_EQ(config.scheduler.max_batch_delay, Microseconds(250));
  EXPECT_EQ(config.drain_timeout, std::chrono::milliseconds(7));
  EXPECT_TRUE(config.access_log);
  EXPECT_EQ(config.log_format, "json");
  EXPECT_EQ(config.metrics_address, "");
  EXPECT_EQ(config.limits.max_pending_bytes, 1'000'000'000'000);
  EXPECT_EQ(config.models.specs[0].name, "my model");
  EXPECT_EQ(config.models.specs[0].directory, "DIR");
}

TEST_F(ServerConfigTest, EnvironmentHasTheSameNames) {
  const CommandLine result = ParseCommandLine({}, {{"ATTENDANT_MODEL", "/models/a b"},
                                                   {"ATTENDANT_MAX_BATCH_TOKENS", "99"},
                                                   {"ATTENDANT_ACCESS_LOG", "true"},
                                                   {"ATTENDANT_METRICS_ADDRESS", ""},
                                                   {"HOME", "/"}});
  ASSERT_TRUE(result.config.has_value()) << result.text;
  EXPECT_EQ(result.config->models.specs[0].directory, "/models/a b");
  EXPECT_EQ(result.config->scheduler.max_batch_tokens, 99);
  EXPECT_TRUE(result.config->access_log);
  EXPECT_EQ(result.config->metrics_address, "");
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST_F(ServerConfigTest, SeveralModelsByRepeating) {
  const CommandLine result =
      ParseCommandLine({"--model", "big=/models/big,precision=int8,weight=2.5", "--memory-limit", "1000000", "--model",
                        "/models/small", "--admin-address", "127.0.0.1:0", "--watchdog-timeout-ms", "0"},
                       {});
  ASSERT_TRUE(result.config.has_value()) << result.text;
  const ModelSettings& models = result.config->models;
  ASSERT_EQ(models.specs.size(), 2u);
  EXPECT_EQ(models.specs[0].name, "big");
  EXPECT_EQ(models.specs[0].directory, "/models/big");
  EXPECT_EQ(models.specs[0].precision, "int8");
  EXPECT_EQ(models.specs[0].quota.weight, 2.5);
  EXPECT_EQ(models.specs[1].name, "small");
  EXPECT_EQ(models.memory_limit, 1'000'000);
  EXPECT_EQ(models.admin_address, "127.0.0.1:0");
  EXPECT_EQ(models.watchdog_timeout.count(), 0);
}

TEST_F(ServerConfigTest, SeveralModelsInTheEnvironmentAndTheFile) {
  const CommandLine variable = ParseCommandLine({}, {{"ATTENDANT_MODEL", "a=/x;b=/y"}});
  ASSERT_TRUE(variable.config.has_value()) << variable.text;
  ASSERT_EQ(variable.config->models.specs.size(), 2u);
  EXPECT_EQ(variable.config->models.specs[1].name, "b");
  const std::string file = WriteFile("model = [\"a=/x,weight=3\", \"b=/y\"]\n");
  const CommandLine from_file = ParseCommandLine({"--config", file}, {});
  ASSERT_TRUE(from_file.config.has_value()) << from_file.text;
  ASSERT_EQ(from_file.config->models.specs.size(), 2u);
  EXPECT_EQ(from_file.config->models.specs[0].quota.weight, 3);
}

TEST_F(ServerConfigTest, ModelsThatContradictEachOtherAreErrors) {
  EXPECT_THAT(ErrorOf({"--model", "other/DIR"}), HasSubstr("two models of the name DIR"));
  EXPECT_THAT(ErrorOf({"--model", "b", "--model-name", "x"}), HasSubstr("--model-name"));
  EXPECT_THAT(ErrorOf({"--model", "b,precision=fp4"}), HasSubstr("fp4"));
  EXPECT_THAT(ErrorOf({"--model", "b=x,wait=2"}), HasSubstr("no setting wait"));
}

TEST_F(ServerConfigTest, AnEmptyValueIsNotTheNextArgument) {
  EXPECT_EQ(Parse({"--metrics-address=", "--threads", "2"}).metrics_address, "");
  EXPECT_EQ(Parse({"--metrics-address", "", "--threads", "2"}).threads, 2);
  EXPECT_EQ(Parse({}, {{"ATTENDANT_THREADS", ""}}).threads, 0);
}

TEST_F(ServerConfigTest, CommandLineBeforeEnvironmentBeforeFile) {
  const std::string file = WriteFile("threads = 1\nmax-batch-items = 11\nisa = \"scalar\"\naccess-log = true\n");
  const Environment environment = {
      {"ATTENDANT_THREADS", "2"}, {"ATTENDANT_MAX_BATCH_ITEMS", "12"}, {"ATTENDANT_CONFIG", file}};
  const ServerConfig config = Parse({"--threads", "3", "--no-access-log"}, environment);
  EXPECT_EQ(config.threads, 3);
  EXPECT_EQ(config.scheduler.max_batch_items, 12);
  EXPECT_EQ(config.isa, "scalar");
  EXPECT_FALSE(config.access_log);
}

TEST_F(ServerConfigTest, WrongSettingsAreErrorsThatNameThem) {
  EXPECT_THAT(ErrorOf({"--max-bach-tokens", "5"}), HasSubstr("--max-bach-tokens"));
  EXPECT_THAT(ErrorOf({"--threads", "many"}), HasSubstr("--threads"));
  EXPECT_THAT(ErrorOf({"--threads", "-1"}), HasSubstr("--threads"));
  EXPECT_THAT(ErrorOf({"--max-text-bytes", "99999999999"}), HasSubstr("--max-text-bytes"));
  EXPECT_THAT(ErrorOf({"--log-level", "loud"}), HasSubstr("--log-level"));
  EXPECT_THAT(ErrorOf({"--model-name", "\xff"}), HasSubstr("--model-name"));
  EXPECT_THAT(ErrorOf({"stray"}), HasSubstr("stray"));
  EXPECT_THAT(ErrorOf({"--config", "/no/such/file"}), HasSubstr("/no/such/file"));
  EXPECT_THAT(ParseCommandLine({}, {}).text, HasSubstr("--model is required"));
  EXPECT_THAT(ParseCommandLine({"--modl", "DIR"}, {}).text, HasSubstr("--modl"));
}

TEST_F(ServerConfigTest, ErrorsFromTheEnvironmentNameTheVariable) {
  EXPECT_THAT(ErrorOf({}, {{"ATTENDANT_THREADS", "many"}}), HasSubstr("ATTENDANT_THREADS"));
  // --max-connection-age-ms is a prefix of another flag.
  const std::string error = ErrorOf({"--max-connection-age-grace-ms", "x"}, {{"ATTENDANT_MAX_CONNECTION_AGE_MS", "5"}});
  EXPECT_THAT(error, ::testing::Not(HasSubstr("ATTENDANT_MAX_CONNECTION_AGE_MS")));
}

TEST_F(ServerConfigTest, UnknownKeysInTheFileAreErrors) {
  EXPECT_THAT(ErrorOf({"--config", WriteFile("thread = 1\n")}), HasSubstr("thread"));
  EXPECT_THAT(ErrorOf({"--config", WriteFile("[limits]\nthreads = 1\n")}), HasSubstr("limits"));
  EXPECT_THAT(ErrorOf({"--config", WriteFile("threads = lots\n")}), HasSubstr("threads"));
}

TEST_F(ServerConfigTest, UnknownVariablesAreWarningsUnlessTheyAreOthers) {
  const CommandLine result = ParseCommandLine({"--model", "DIR"}, {{"ATTENDANT_TREADS", "1"},
                                                                   {"ATTENDANT_SERVER", "a:1"},
                                                                   {"ATTENDANT_TEST_MODEL_DIR", "x"},
                                                                   {"ATTENDANT_SERVICE_HOST", "10.0.0.1"},
                                                                   {"ATTENDANT_PORT_50051_TCP", "tcp://10.0.0.1"}});
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("ATTENDANT_TREADS")));
}

TEST_F(ServerConfigTest, ContradictionsNameBothFlags) {
  EXPECT_THAT(ErrorOf({"--max-queued-items", "5"}),
              ::testing::AllOf(HasSubstr("--max-items-per-request (1024)"), HasSubstr("--max-queued-items (5)")));
  EXPECT_THAT(ErrorOf({"--max-message-bytes", "2048"}), HasSubstr("--max-text-bytes"));
  EXPECT_THAT(ErrorOf({"--max-prompt-bytes", "5000", "--max-text-bytes", "4000"}), HasSubstr("--max-prompt-bytes"));
  EXPECT_THAT(ErrorOf({"--max-pending-bytes", "2000000"}), HasSubstr("--max-message-bytes"));
  EXPECT_THAT(ErrorOf({"--max-attention-bytes", "1000000000"}), HasSubstr("--max-attention-bytes"));
  EXPECT_THAT(ErrorOf({"--metrics-address", "127.0.0.1:50051"}), HasSubstr("--grpc-address"));
}

TEST_F(ServerConfigTest, HttpFlags) {
  EXPECT_EQ(Parse({}).http.address, "127.0.0.1:8080");
  EXPECT_EQ(Parse({"--http-address=off"}).http.address, "");
  EXPECT_EQ(Parse({}, {{"ATTENDANT_HTTP_ADDRESS", ""}}).http.address, "");
  const HttpSettings http = Parse({"--http-address", "[::1]:0", "--http-max-connections", "9", "--http-body-timeout-ms",
                                   "7", "--http-cors-origins", "https://a.example,http://b.example:81",
                                   "--no-http-gzip", "--http-max-body-bytes", "4096"})
                                .http;
  EXPECT_EQ(http.address, "[::1]:0");
  EXPECT_EQ(http.max_connections, 9);
  EXPECT_EQ(http.body_timeout, std::chrono::milliseconds(7));
  EXPECT_EQ(http.cors_origins, (std::vector<std::string>{"https://a.example", "http://b.example:81"}));
  EXPECT_FALSE(http.gzip);
  EXPECT_EQ(http.max_body_bytes, 4096);
  EXPECT_THAT(ErrorOf({"--http-cors-origins", "a.example"}), HasSubstr("--http-cors-origins"));
  EXPECT_THAT(ErrorOf({"--http-cors-origins", "https://a.example/path"}), HasSubstr("--http-cors-origins"));
  EXPECT_THAT(ErrorOf({"--http-address", "127.0.0.1:50051"}), HasSubstr("--grpc-address"));
  EXPECT_THAT(ErrorOf({"--http-address", "127.0.0.1:9464"}), HasSubstr("--metrics-address"));
  EXPECT_THAT(ErrorOf({"--http-max-body-bytes", "1000000000"}), HasSubstr("--max-pending-bytes"));
  EXPECT_THAT(ErrorOf({"--http-idle-timeout-ms", "0"}), HasSubstr("--http-idle-timeout-ms"));
}

TEST_F(ServerConfigTest, SecurityFlags) {
  const SecurityConfig defaults = Parse({}).security;
  EXPECT_EQ(defaults.api_keys_file, "");
  EXPECT_EQ(defaults.reflection, "auto");
  const SecurityConfig security = Parse({"--api-keys-file=K", "--tls-cert", "C", "--tls-key", "P", "--tls-client-ca",
                                         "A", "--metrics-tls", "--metrics-require-key", "--reflection", "off"})
                                      .security;
  EXPECT_EQ(security.api_keys_file + security.tls_cert + security.tls_key + security.tls_client_ca, "KCPA");
  EXPECT_TRUE(security.metrics_tls && security.metrics_require_key);
  EXPECT_EQ(security.reflection, "off");
}

TEST_F(ServerConfigTest, SecurityFlagsThatNeedEachOtherSaySo) {
  EXPECT_THAT(ErrorOf({"--tls-cert", "C"}), HasSubstr("--tls-cert needs --tls-key"));
  EXPECT_THAT(ErrorOf({"--tls-key", "K"}), HasSubstr("--tls-key needs --tls-cert"));
  EXPECT_THAT(ErrorOf({"--tls-client-ca", "A"}), HasSubstr("--tls-client-ca needs --tls-cert"));
  EXPECT_THAT(ErrorOf({"--metrics-tls"}), HasSubstr("--metrics-tls needs --tls-cert"));
  EXPECT_THAT(ErrorOf({"--metrics-require-key"}), HasSubstr("--metrics-require-key needs --api-keys-file"));
  EXPECT_THAT(ErrorOf({"--reflection", "maybe"}), HasSubstr("--reflection"));
}

TEST_F(ServerConfigTest, HashingAKeyIsAsItsOwnCommand) {
  const CommandLine command = ParseCommandLine({"--hash-api-key", "search-ui"}, {});
  EXPECT_FALSE(command.config.has_value());
  EXPECT_EQ(command.hash_api_key, "search-ui");
  // Only ever asked for by the command line.
  EXPECT_FALSE(ParseCommandLine({"--model", "DIR"}, {{"ATTENDANT_HASH_API_KEY", "a"}}).hash_api_key.has_value());
  EXPECT_THAT(ErrorOf({"--config", WriteFile("hash-api-key = \"a\"\n")}), HasSubstr("hash-api-key"));
}

TEST_F(ServerConfigTest, VariablesOfTheClientAreNoMistakes) {
  Environment environment;
  for (const char* name : {"ATTENDANT_API_KEY", "ATTENDANT_API_KEY_FILE", "ATTENDANT_TLS", "ATTENDANT_TLS_CA",
                           "ATTENDANT_TLS_SERVER_NAME", "ATTENDANT_CLIENT_CERT", "ATTENDANT_CLIENT_KEY"}) {
    environment[name] = "x";
  }
  EXPECT_THAT(ParseCommandLine({"--model", "DIR"}, environment).warnings, IsEmpty());
}

TEST_F(ServerConfigTest, HelpAndVersion) {
  const CommandLine help = ParseCommandLine({"--help"}, {{"ATTENDANT_THREADS", "4"}});
  EXPECT_FALSE(help.config.has_value());
  EXPECT_EQ(help.exit_status, 0);
  for (const char* text :
       {"--grpc-address", "127.0.0.1:50051", "--max-batch-delay-us", "ATTENDANT_SOME_NAME", "Limits"}) {
    EXPECT_THAT(help.text, HasSubstr(text));
  }
  const CommandLine version = ParseCommandLine({"--version"}, {});
  EXPECT_EQ(version.exit_status, 0);
  EXPECT_THAT(version.text, ::testing::StartsWith("attendant-server "));
}

}  // namespace
}  // namespace attendant
