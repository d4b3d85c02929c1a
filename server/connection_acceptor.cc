#include "server/connection_acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "server/observability/logging.h"

namespace attendant {
namespace {

// For the process itself: eventfds of gRPC's threads, scrapes, a model that is loaded, keys and certificates read anew.
constexpr int kReservedDescriptors = 64;
// What a connection may send before it is read; the kernel takes twice as much. Calls are worth a hundred times their
// bytes in memory, and what lies here when a connection is cut off is still read. Enough for 2.5 MB/s from a tenth of a
// second away, more text than any machine embeds.
constexpr int kReceiveBufferBytes = 256 << 10;
// How long accepting rests when there is not even a descriptor to refuse a connection with.
constexpr int kPauseMs = 20;
// Connections taken from one socket before the others get their turn.
constexpr int kBurst = 64;

int DescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<int>::max();
  const int most = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max()));
  // Of a limit that is tiny at least half is for connections.
  return most - std::min(kReservedDescriptors, most / 2);
}

int64_t NowSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  // Without success things are as they were.
  setrlimit(RLIMIT_NOFILE, &limit);
}

ConnectionAcceptor::ConnectionAcceptor(Listeners sockets, ConnectionGuard guard, Sink sink)
    : sockets_(std::move(sockets)),
      guard_(std::move(guard)),
      sink_(std::move(sink)),
      descriptor_limit_(DescriptorLimit()),
      stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "accept");
}

ConnectionAcceptor::~ConnectionAcceptor() {
  Stop();
  if (stop_fd_ >= 0) close(stop_fd_);
}

void ConnectionAcceptor::Stop() {
  if (stopping_.exchange(true)) return;
  const uint64_t one = 1;
  // Cannot fail on an eventfd that nobody else writes to.
  [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof one);
  thread_.join();
  sockets_.Close();
}

void ConnectionAcceptor::Run() {
  std::vector<pollfd> watched{{stop_fd_, POLLIN, 0}};
  for (const int fd : sockets_.sockets()) watched.push_back({fd, POLLIN, 0});
  while (!stopping_) {
    const auto interval = guard_.interval();
    const int timeout_ms = interval ? static_cast<int>(interval->count()) : -1;
    if (poll(watched.data(), watched.size(), timeout_ms) < 0 && errno != EINTR && !Pause()) return;
    guard_.Check(std::chrono::steady_clock::now());
    for (size_t i = 1; i < watched.size() && !stopping_; ++i) {
      if (watched[i].revents != 0) AcceptFrom(watched[i].fd);
    }
  }
}

void ConnectionAcceptor::AcceptFrom(int listener) {
  for (int i = 0; i < kBurst; ++i) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection >= descriptor_limit_) {
      Refuse(connection);
    } else if (connection >= 0) {
      const int on = 1;
      setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on a unix: socket, which needs it not
      setsockopt(connection, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
      guard_.Add(connection, std::chrono::steady_clock::now());
      sink_(listener, connection);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      Pause();
      return;
    }
    // Anything else is that one connection's own trouble.
  }
}

void ConnectionAcceptor::Refuse(int connection) {
  const int64_t refused = refused_.fetch_add(1, std::memory_order_relaxed) + 1;
  close(connection);
  const int64_t now_s = NowSeconds();
  // Whoever floods us with connections must not flood the log, too.
  if (now_s == reported_at_s_) return;
  LogWarning("connections refused", {{"count", refused - reported_},
                                     {"reason", "the limit of open descriptors is near (ulimit -n)"},
                                     {"connection_descriptors", descriptor_limit_}});
  reported_ = refused;
  reported_at_s_ = now_s;
}

bool ConnectionAcceptor::Pause() {
  pollfd stop{stop_fd_, POLLIN, 0};
  poll(&stop, 1, kPauseMs);
  return !stopping_;
}

}  // namespace attendant
