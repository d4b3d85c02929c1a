#include "server/network/listen_address.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace attendant {
namespace {

using ::testing::HasSubstr;

// A listener on a free port of 127.0.0.1.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = std::to_string(ntohs(address.sin_port));
  }
  ~Listener() { close(fd_); }
  const std::string& port() const { return port_; }

 private:
  int fd_;
  std::string port_;
};

TEST(ListenAddressTest, FreeAddressesAreFine) {
  for (const char* address : {"127.0.0.1:0", "localhost:0", "0.0.0.0:0", "unix:/tmp/any"}) {
    EXPECT_TRUE(CheckCanListen(address).ok()) << CheckCanListen(address);
  }
}

TEST(ListenAddressTest, MalformedAddressesAreNamed) {
  for (const char* address :
       {"", "localhost", ":80", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:-1", "::1:80", "[]:80"}) {
    const absl::Status status = CheckCanListen(address);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr(address));
  }
}

TEST(ListenAddressTest, TakenPortsSayHowToGoOn) {
  const Listener other;
  // "localhost" may have a second, free address: one that is taken is enough.
  for (const char* host : {"127.0.0.1:", "localhost:", "0.0.0.0:"}) {
    const std::string address = host + other.port();
    const absl::Status status = CheckCanListen(address);
    EXPECT_TRUE(absl::IsUnavailable(status)) << address;
    EXPECT_THAT(std::string(status.message()), ::testing::AllOf(HasSubstr(address), HasSubstr("another server")));
  }
}

TEST(ListenAddress, TellsThisMachineFromTheRest) {
  for (const char* address : {"127.0.0.1:0", "127.9.9.9:1", "[::1]:0", "localhost:50051", "unix:/tmp/x"}) {
    EXPECT_TRUE(IsThisMachineOnly(address)) << address;
  }
  for (const char* address : {"0.0.0.0:0", "[::]:0", "192.0.2.1:1", "[2001:db8::1]:1", "nonsense", ""}) {
    EXPECT_FALSE(IsThisMachineOnly(address)) << address;
  }
}

TEST(Listeners, AllAddressesOfANameGetOnePort) {
  const auto listeners = Listeners::Bind("localhost:0");
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  EXPECT_GT(listeners->port(), 0);
  EXPECT_GE(listeners->sockets().size(), 1u);
  EXPECT_FALSE(CheckCanListen("127.0.0.1:" + std::to_string(listeners->port())).ok());
}

TEST(Listeners, AWildcardListensForIpv4) {
  const auto listeners = Listeners::Bind("0.0.0.0:0");
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  EXPECT_FALSE(CheckCanListen("127.0.0.1:" + std::to_string(listeners->port())).ok());
}

TEST(Listeners, UnixPathsAreForGrpcOnly) { EXPECT_FALSE(Listeners::Bind("unix:/tmp/x").ok()); }

TEST(Listeners, AUnixPathReplacesASocketAndNothingElse) {
  const std::string path = ::testing::TempDir() + "listen.sock";
  struct stat found {};
  EXPECT_TRUE(Listeners::BindUnix("unix:" + path).ok());
  EXPECT_NE(lstat(path.c_str(), &found), 0);  // gone with its owner
  const int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(stale);
  EXPECT_TRUE(Listeners::BindUnix("unix:" + path).ok());
  close(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const absl::Status status = Listeners::BindUnix("unix:" + path).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  EXPECT_EQ(lstat(path.c_str(), &found), 0);
  unlink(path.c_str());
  EXPECT_TRUE(absl::IsInvalidArgument(Listeners::BindUnix("unix:" + std::string(200, 'x')).status()));
}

}  // namespace
}  // namespace attendant
