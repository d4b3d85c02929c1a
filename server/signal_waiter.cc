#include "server/signal_waiter.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "server/observability/logging.h"

namespace attendant {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

SignalWaiter::SignalWaiter() : stop_fd_(eventfd(0, EFD_CLOEXEC)) {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] { Run(); });
}

SignalWaiter::~SignalWaiter() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof one);
  thread_.join();
  close(stop_fd_);
}

int SignalWaiter::Wait() {
  signal_.wait(0);
  return signal_;
}

void SignalWaiter::Run() {
  const sigset_t signals = StopSignals();
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  pollfd fds[] = {{signal_fd, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
    if ((fds[1].revents & POLLIN) != 0) break;
    signalfd_siginfo info;
    if ((fds[0].revents & POLLIN) == 0 || read(signal_fd, &info, sizeof info) != sizeof info) continue;
    if (signal_ != 0) {
      LogWarning("second signal, exit at once", {{"signal", strsignal(static_cast<int>(info.ssi_signo))}});
      _exit(128 + static_cast<int>(info.ssi_signo));
    }
    signal_ = static_cast<int>(info.ssi_signo);
    signal_.notify_all();
  }
  close(signal_fd);
}

}  // namespace attendant
