#include "server/connection_acceptor.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace attendant {
namespace {

constexpr std::chrono::seconds kLongEnough{30};

// What the acceptor hands on.
class Connections {
 public:
  ~Connections() { CloseAll(); }
  ConnectionAcceptor::Sink Sink() {
    return [this](int, int connection) {
      const std::lock_guard lock(mutex_);
      open_.push_back(connection);
      changed_.notify_all();
    };
  }
  bool Await(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLongEnough, [&] { return open_.size() >= count; });
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return open_.size();
  }
  void CloseAll() {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) close(fd);
    open_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> open_;
};

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

// Whether the other side has closed it; waits for that, or for the time to end.
bool IsClosed(int fd) {
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char byte = 0;
  return recv(fd, &byte, 1, 0) <= 0;
}

Listeners Open() {
  auto listeners = Listeners::Bind("127.0.0.1:0");
  EXPECT_TRUE(listeners.ok()) << listeners.status();
  return listeners.ok() ? *std::move(listeners) : Listeners();
}

TEST(ConnectionAcceptorTest, HandsOnWhatComesAndStops) {
  Connections connections;
  ConnectionAcceptor acceptor(Open(), ConnectionGuard({}), connections.Sink());
  const int port = acceptor.port();
  std::vector<int> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(Connect(port));
  EXPECT_TRUE(connections.Await(100));
  acceptor.Stop();
  EXPECT_EQ(Connect(port), -1);
  EXPECT_EQ(acceptor.refused(), 0);
  for (const int fd : clients) close(fd);
}

TEST(ConnectionAcceptorTest, OutOfDescriptorsItRefusesAndGoesOnAfterwards) {
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  // Clients and server share this process's descriptors: fill up to the border, which leaves the reserve to the
  // clients.
  const rlimit small{.rlim_cur = 200, .rlim_max = old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  Connections connections;
  ConnectionAcceptor acceptor(Open(), ConnectionGuard({}), connections.Sink());
  std::vector<int> fillers;
  while (fillers.empty() || fillers.back() < 200 - 64) fillers.push_back(dup(0));
  for (int i = 0; i < 5; ++i) {
    const int client = Connect(acceptor.port());
    ASSERT_GE(client, 0);
    EXPECT_TRUE(IsClosed(client));
    close(client);
  }
  EXPECT_EQ(acceptor.refused(), 5);
  EXPECT_EQ(connections.count(), 0u);
  // Not even one to refuse with.
  std::vector<int> last;
  const int early = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  for (int fd = dup(0); fd >= 0; fd = dup(0)) last.push_back(fd);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(acceptor.port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(early, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);  // the backlog takes it
  // The low numbers first: what is accepted next gets one of them.
  for (const int fd : fillers) close(fd);
  for (const int fd : last) close(fd);
  EXPECT_TRUE(connections.Await(1));
  close(early);
  acceptor.Stop();
  setrlimit(RLIMIT_NOFILE, &old);
}

}  // namespace
}  // namespace attendant
