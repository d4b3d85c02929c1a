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

sigset_t OurSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

SignalWaiter::SignalWaiter() : stop_fd_(eventfd(0, EFD_CLOEXEC)) {
  const sigset_t signals = OurSignals();
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
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stop_signal_ != 0 || hangup_; });
  if (stop_signal_ != 0) return stop_signal_;
  hangup_ = false;
  return SIGHUP;
}

void SignalWaiter::Run() {
  const sigset_t signals = OurSignals();
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
  pollfd fds[] = {{signal_fd, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
    if ((fds[1].revents & POLLIN) != 0) break;
    signalfd_siginfo info;
    if ((fds[0].revents & POLLIN) == 0 || read(signal_fd, &info, sizeof info) != sizeof info) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    const std::lock_guard lock(mutex_);
    if (signal == SIGHUP) {
      hangup_ = true;
    } else if (stop_signal_ == 0) {
      stop_signal_ = signal;
    } else {
      LogWarning("second signal, exit at once", {{"signal", strsignal(signal)}});
      _exit(128 + signal);
    }
    changed_.notify_all();
  }
  close(signal_fd);
}

}  // namespace attendant
