// attendant-server: reads the settings, starts the server, drains it at the first signal.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "server/observability/logging.h"
#include "server/security/key_file.h"
#include "server/server.h"
#include "server/server_config.h"
#include "server/signal_waiter.h"

namespace {

int HashApiKey(const std::string& name) {
  std::string key;
  std::getline(std::cin, key);
  const auto line = attendant::KeyFileLine(name, key);
  if (!line.ok()) {
    std::cerr << "attendant-server: --hash-api-key: " << line.status().message() << "\n";
    return 2;
  }
  std::cout << *line << "\n";
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace attendant;
  SignalWaiter signals;
  const CommandLine command = ParseCommandLine({argv + 1, argv + argc}, ProcessEnvironment());
  if (command.hash_api_key.has_value()) return HashApiKey(*command.hash_api_key);
  if (!command.config.has_value()) {
    std::fputs(command.text.c_str(), command.exit_status == 0 ? stdout : stderr);
    return command.exit_status;
  }
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;
  // ParseCommandLine has checked both.
  ParseLogFormat(command.config->log_format, &format).IgnoreError();
  ParseLogLevel(command.config->log_level, &level).IgnoreError();
  ConfigureLogging(format, level);
  for (const std::string& warning : command.warnings) LogWarning("setting ignored", {{"reason", warning}});
  const auto server = Server::Start(*command.config);
  if (!server.ok()) {
    LogError("cannot start", {{"reason", std::string(server.status().message())}});
    return EXIT_FAILURE;
  }
  LogInfo("signal", {{"signal", strsignal(signals.Wait())}});
  (*server)->Drain();
  return EXIT_SUCCESS;
}
