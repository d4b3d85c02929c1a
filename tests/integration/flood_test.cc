// Connections that never stop sending, beside those that are honest: gRPC reads them as long as something comes.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "tests/integration/server_process.h"

namespace attendant {
namespace {

using std::chrono::steady_clock;

constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

constexpr unsigned char kHeaders = 1, kSettings = 4, kContinuation = 9;

// On no stream, or on the first one.
std::string Frame(unsigned char type, const std::string& payload) {
  const auto byte = [&payload](int shift) { return static_cast<char>(payload.size() >> shift & 0xFF); };
  const char stream = type == kSettings ? 0 : 1;
  return std::string{byte(16), byte(8), byte(0), static_cast<char>(type), 0, 0, 0, 0, stream} + payload;
}

// The beginning of a call with one header field, of a name of one letter and a value of 2 GB.
std::string HugeHeader() {
  return std::string(kPreface) + Frame(kSettings, "") +
         Frame(kHeaders, std::string("\0\1x\x7f\x81\xff\xff\xff\x07", 9));
}

class Socket {
 public:
  explicit Socket(int port, std::chrono::seconds patience = std::chrono::seconds(10))
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval wait{.tv_sec = patience.count(), .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  bool Send(const std::string& bytes) const {
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // The type of the first frame that comes; -1: none did.
  int FirstFrame() const {
    unsigned char head[9] = {};
    return recv(fd_, head, sizeof head, MSG_WAITALL) == sizeof head ? head[3] : -1;
  }

 private:
  const int fd_;
};

// A connection that sends a header without end, faster than the server reads it.
class Flood {
 public:
  explicit Flood(int port) : socket_(port) {
    // The beginning alone: in about every second case gRPC then begins to read on the thread that introduces the
    // connection to it.
    EXPECT_TRUE(socket_.Send(HugeHeader()));
    thread_ = std::thread([this] { Pour(); });
    while (sent_ < 10) std::this_thread::yield();
  }
  ~Flood() {
    done_ = true;
    thread_.join();
  }

 private:
  void Pour() {
    std::string pieces;
    for (int i = 0; i < 16; ++i) pieces += Frame(kContinuation, std::string(16000, 'v'));
    while (!done_ && socket_.Send(pieces)) ++sent_;
    EXPECT_GE(sent_, 10) << "the server does not let itself be flooded";
    sent_ = 10;
  }

  const Socket socket_;
  std::atomic<bool> done_{false};
  std::atomic<int> sent_{0};
  std::thread thread_;
};

TEST(Flood, NewConnectionsAreGreetedBesideIt) {
  ServerProcess server({"--threads", "1"});
  ASSERT_TRUE(server.WaitReady());
  for (int round = 0; round < 10; ++round) {
    const Flood flood(server.grpc_port());
    for (int i = 0; i < 3; ++i) {
      const Socket newcomer(server.grpc_port());
      ASSERT_TRUE(newcomer.Send(std::string(kPreface) + Frame(kSettings, "")));
      ASSERT_EQ(newcomer.FirstFrame(), kSettings) << "in round " << round << " nobody was greeted with SETTINGS";
    }
  }
}

TEST(Flood, DoesNotKeepTheServerFromItsEnd) {
  for (int round = 0; round < 3; ++round) {
    ServerProcess server({"--threads", "1", "--drain-timeout-ms", "500"});
    ASSERT_TRUE(server.WaitReady());
    const Flood first(server.grpc_port()), second(server.grpc_port());
    const auto start = steady_clock::now();
    server.Signal(SIGTERM);
    EXPECT_EQ(server.WaitExit(), 0);
    EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(20));
  }
}

}  // namespace
}  // namespace attendant
