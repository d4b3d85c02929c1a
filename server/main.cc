// attendant-server: reads the settings, starts the server, reads them again at SIGHUP, drains it at the first signal to
// end.
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/connection_acceptor.h"
#include "server/observability/logging.h"
#include "server/security/key_file.h"
#include "server/self_check_command.h"
#include "server/server.h"
#include "server/server_config.h"
#include "server/signal_waiter.h"

namespace attendant {
namespace {

int HashApiKey(const std::string& name) {
  std::string key;
  std::getline(std::cin, key);
  const auto line = KeyFileLine(name, key);
  if (!line.ok()) {
    std::cerr << "attendant-server: --hash-api-key: " << line.status().message() << "\n";
    return 2;
  }
  std::cout << *line << "\n";
  return EXIT_SUCCESS;
}

void SetUpLogging(const CommandLine& command) {
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;
  // ParseCommandLine has checked both.
  ParseLogFormat(command.config->log_format, &format).IgnoreError();
  ParseLogLevel(command.config->log_level, &level).IgnoreError();
  ConfigureLogging(format, level);
  for (const std::string& warning : command.warnings) LogWarning("setting ignored", {{"reason", warning}});
}

absl::StatusOr<ServerConfig> Reread(const std::vector<std::string>& arguments) {
  const CommandLine command = ParseCommandLine(arguments, ProcessEnvironment());
  if (!command.config.has_value()) return absl::InvalidArgumentError(command.text);
  return *command.config;
}

// Reads the settings again whenever it is asked to, on a thread of its own: loading takes seconds, in which a signal to
// end must be heard. Requests that come meanwhile are served by one more reading.
class Reloader {
 public:
  explicit Reloader(Server* server) : server_(server), thread_([this] { Run(); }) {}
  ~Reloader() {
    Set(&stopping_);
    thread_.join();
  }
  void Request() { Set(&wanted_); }

 private:
  void Set(bool* flag) {
    const std::lock_guard lock(mutex_);
    *flag = true;
    changed_.notify_all();
  }

  void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return wanted_ || stopping_; });
      if (stopping_) return;
      wanted_ = false;
      lock.unlock();
      server_->Reload().status().IgnoreError();  // it has logged it
      lock.lock();
    }
  }

  Server* const server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

int ServeUntilSignal(Server& server, SignalWaiter& signals) {
  Reloader reloader(&server);
  while (true) {
    const int signal = signals.Wait();
    LogInfo("signal", {{"signal", strsignal(signal)}});
    if (signal == SIGHUP) {
      reloader.Request();
      continue;
    }
    server.Drain();
    return EXIT_SUCCESS;
  }
}

}  // namespace
}  // namespace attendant

int main(int argc, char** argv) {
  using namespace attendant;
  // Writing a log beyond a limit of its size must not end the process; the write fails instead.
  signal(SIGXFSZ, SIG_IGN);
  Embedder::SurviveCutFiles();
  RaiseDescriptorLimit();
  SignalWaiter signals;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const CommandLine command = ParseCommandLine(arguments, ProcessEnvironment());
  if (command.hash_api_key.has_value()) return HashApiKey(*command.hash_api_key);
  if (!command.config.has_value()) {
    std::fputs(command.text.c_str(), command.exit_status == 0 ? stdout : stderr);
    return command.exit_status;
  }
  SetUpLogging(command);
  if (command.config->models.self_check) return RunSelfCheck(*command.config, std::cout);
  ServerParts parts;
  parts.reread = [&arguments] { return Reread(arguments); };
  const auto server = Server::Start(*command.config, std::move(parts));
  if (!server.ok()) {
    LogError("cannot start", {{"reason", std::string(server.status().message())}});
    return EXIT_FAILURE;
  }
  return ServeUntilSignal(**server, signals);
}
