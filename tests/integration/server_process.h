// An attendant-server as its own process: started, watched, signalled, and never left behind.
// Thread-safety: one thread. Every wait is bounded and fails the test when it ends.
#ifndef ATTENDANT_TESTS_INTEGRATION_SERVER_PROCESS_H_
#define ATTENDANT_TESTS_INTEGRATION_SERVER_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace attendant {

class ServerProcess {
 public:
  // Returns at once; --model (without --config), --port-file and addresses with port 0 are given unless the arguments
  // have them.
  explicit ServerProcess(std::vector<std::string> arguments);
  ~ServerProcess();  // kills it if it still runs

  // The ports, once it serves; false when it ended instead.
  bool WaitReady();
  int grpc_port() const { return grpc_port_; }
  int metrics_port() const { return metrics_port_; }
  int admin_port() const { return admin_port_; }  // 0 unless --admin-address was given

  void Signal(int signal);
  // The exit status, or 128 + the signal that ended it.
  int WaitExit();
  // True once its log has this; false when it does not come.
  bool WaitLogged(const std::string& text) const;
  // What it wrote to stderr so far, and for --self-check to stdout.
  std::string Log() const;

  double CpuSeconds() const;
  int64_t ResidentBytes() const;

 private:
  bool Ended();

  std::string directory_;
  pid_t pid_ = -1;
  std::optional<int> exit_status_;
  int grpc_port_ = 0;
  int metrics_port_ = 0;
  int admin_port_ = 0;
};

// A directory under tests/testdata/models.
std::string TestModel(const std::string& name);

// The value of one series in a scrape of this port, or -1.
double MetricValue(int port, const std::string& series);

}  // namespace attendant

#endif  // ATTENDANT_TESTS_INTEGRATION_SERVER_PROCESS_H_
