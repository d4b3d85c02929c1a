#include "tests/integration/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "gtest/gtest.h"
#include "tests/testing/http_get.h"

namespace attendant {
namespace {

constexpr std::chrono::seconds kPatience{60};
// Another process can only be asked again and again.
constexpr std::chrono::milliseconds kPoll{5};

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void AddDefault(std::vector<std::string>* arguments, const std::string& flag, const std::string& value) {
  if (std::find(arguments->begin(), arguments->end(), flag) != arguments->end()) return;
  arguments->push_back(flag);
  arguments->push_back(value);
}

template <typename Condition>
bool WaitUntil(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

}  // namespace

ServerProcess::ServerProcess(std::vector<std::string> arguments) {
  std::string pattern = testing::TempDir() + "/server_XXXXXX";
  directory_ = mkdtemp(pattern.data());
  // A configuration file may say which models.
  const bool has_config = std::find(arguments.begin(), arguments.end(), "--config") != arguments.end();
  if (!has_config) AddDefault(&arguments, "--model", TestModel("tiny-mean"));
  AddDefault(&arguments, "--grpc-address", "127.0.0.1:0");
  AddDefault(&arguments, "--http-address", "127.0.0.1:0");
  AddDefault(&arguments, "--metrics-address", "127.0.0.1:0");
  AddDefault(&arguments, "--port-file", directory_ + "/ports");
  std::vector<char*> argv{const_cast<char*>(ATTENDANT_SERVER_BINARY)};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log = directory_ + "/log";
  pid_ = fork();
  if (pid_ == 0) {
    const int fd = open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    dup2(fd, STDERR_FILENO);
    dup2(fd, STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  EXPECT_GT(pid_, 0);
}

ServerProcess::~ServerProcess() {
  if (!Ended()) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (testing::Test::HasFailure()) std::fprintf(stderr, "log of the server:\n%s\n", Log().c_str());
  std::filesystem::remove_all(directory_);
}

bool ServerProcess::Ended() {
  if (exit_status_) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

bool ServerProcess::WaitReady() {
  const std::string ports = directory_ + "/ports";
  if (!WaitUntil([&] { return std::filesystem::exists(ports) || Ended(); })) return false;
  std::istringstream lines(ReadAll(ports));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("grpc=", 0) == 0) grpc_port_ = std::atoi(line.c_str() + 5);
    if (line.rfind("metrics=", 0) == 0) metrics_port_ = std::atoi(line.c_str() + 8);
    if (line.rfind("admin=", 0) == 0) admin_port_ = std::atoi(line.c_str() + 6);
  }
  return grpc_port_ > 0;
}

void ServerProcess::Signal(int signal) { kill(pid_, signal); }

int ServerProcess::WaitExit() {
  EXPECT_TRUE(WaitUntil([&] { return Ended(); })) << "the server did not end";
  return exit_status_.value_or(-1);
}

bool ServerProcess::WaitLogged(const std::string& text) const {
  return WaitUntil([&] { return Log().find(text) != std::string::npos; });
}

std::string ServerProcess::Log() const { return ReadAll(directory_ + "/log"); }

double ServerProcess::CpuSeconds() const {
  // Not the ticks of "stat": a thread that wakes in step with them would count as running all the time.
  double nanoseconds = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
    double ran = 0;
    std::ifstream(task.path() / "schedstat") >> ran;
    nanoseconds += ran;
  }
  return nanoseconds / 1e9;
}

int64_t ServerProcess::ResidentBytes() const {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/" + std::to_string(pid_) + "/statm") >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::string TestModel(const std::string& name) { return std::string(ATTENDANT_TESTDATA) + "/models/" + name; }

double MetricValue(int port, const std::string& series) {
  std::istringstream lines(HttpGet(port, "/metrics"));
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(series + " ", 0) == 0) return std::atof(line.c_str() + series.size() + 1);
  }
  return -1;
}

}  // namespace attendant
