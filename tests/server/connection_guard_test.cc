#include "server/connection_guard.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace attendant {
namespace {

using std::chrono::milliseconds;

constexpr int64_t kLimit = 1000;

// Both ends of a TCP connection on the loopback.
class Pair {
 public:
  Pair() {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener, 1), 0);
    getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    client_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(client_, reinterpret_cast<sockaddr*>(&address), size), 0);
    server_ = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    close(listener);
  }
  ~Pair() {
    close(client_);
    close(server_);
  }

  int server() const { return server_; }
  // Received when it returns.
  void Send(size_t bytes) {
    const std::string data(bytes, 'x');
    ASSERT_EQ(send(client_, data.data(), data.size(), 0), static_cast<ssize_t>(bytes));
    std::string buffer(bytes, 0);
    ASSERT_EQ(recv(server_, buffer.data(), bytes, MSG_WAITALL), static_cast<ssize_t>(bytes));
  }
  // The other end sees the end of the connection, as it does after shutdown().
  bool IsCut() const {
    char byte = 0;
    return recv(client_, &byte, 1, MSG_DONTWAIT) == 0;
  }

 private:
  int client_ = -1;
  int server_ = -1;
};

class ConnectionGuardTest : public ::testing::Test {
 protected:
  int Check(int64_t growth) {
    growth_ = growth;
    now_ += ConnectionGuard::kInterval;
    return guard_.Check(now_);
  }
  // Old enough for its past to be past.
  void Add(const Pair& pair) { guard_.Add(pair.server(), now_ - std::chrono::seconds(5)); }

  int64_t growth_ = 0;
  SteadyTime now_{};
  int relieved_ = 0;
  ConnectionGuard guard_{
      {.limit_bytes = kLimit, .growth = [this](int64_t) { return growth_; }, .relieve = [this] { ++relieved_; }}};
};

TEST_F(ConnectionGuardTest, WithinTheLimitNobodyIsCutOff) {
  Pair pair;
  EXPECT_FALSE(guard_.interval().has_value());
  Add(pair);
  EXPECT_EQ(guard_.interval(), ConnectionGuard::kCalmInterval);
  for (int i = 0; i < 5; ++i) {
    pair.Send(200'000);
    EXPECT_EQ(Check(kLimit), 0);
  }
  EXPECT_EQ(guard_.interval(), ConnectionGuard::kInterval);
  EXPECT_FALSE(pair.IsCut());
}

TEST_F(ConnectionGuardTest, WhoPoursNowIsCutOffNotWhoSentMostEver) {
  Pair bulk, idle, flood;
  for (Pair* pair : {&bulk, &idle, &flood}) Add(*pair);
  bulk.Send(900'000);
  EXPECT_EQ(Check(kLimit + 1), 0);  // the first look
  flood.Send(300'000);
  bulk.Send(20'000);
  EXPECT_EQ(Check(kLimit + 1), 1);
  EXPECT_TRUE(flood.IsCut());
  EXPECT_FALSE(bulk.IsCut());
  EXPECT_FALSE(idle.IsCut());
}

TEST_F(ConnectionGuardTest, WhoHasOnlyJustComeIsCutOffAtTheFirstLook) {
  Pair bulk, flood;
  Add(bulk);
  bulk.Send(900'000);
  guard_.Add(flood.server(), now_);
  flood.Send(300'000);
  EXPECT_EQ(Check(kLimit + 1), 1);
  EXPECT_TRUE(flood.IsCut());
  EXPECT_FALSE(bulk.IsCut());
}

TEST_F(ConnectionGuardTest, SeveralThatPourGoTogether) {
  Pair honest;
  std::vector<std::unique_ptr<Pair>> floods;
  Add(honest);
  for (int i = 0; i < 3; ++i) {
    floods.push_back(std::make_unique<Pair>());
    Add(*floods.back());
  }
  EXPECT_EQ(Check(kLimit + 1), 0);
  honest.Send(10'000);
  for (const auto& flood : floods) flood->Send(200'000);
  EXPECT_EQ(Check(kLimit + 1), 3);
  EXPECT_FALSE(honest.IsCut());
}

TEST_F(ConnectionGuardTest, MemoryGetsTimeToComeBack) {
  Pair first, second;
  Add(first);
  Add(second);
  EXPECT_EQ(Check(kLimit + 1), 0);
  first.Send(400'000);
  second.Send(70'000);
  EXPECT_EQ(Check(kLimit + 1), 1);
  second.Send(70'000);
  EXPECT_EQ(Check(kLimit + 1), 0);
  EXPECT_FALSE(second.IsCut());
  // It gets much worse instead.
  second.Send(70'000);
  EXPECT_EQ(Check(kLimit + (100 << 20)), 1);
  EXPECT_TRUE(second.IsCut());
}

TEST_F(ConnectionGuardTest, WhenNobodyPoursWhoSentMostGoes) {
  Pair slow, idle;
  Add(slow);
  Add(idle);
  slow.Send(500'000);
  EXPECT_EQ(Check(kLimit + 1), 0);
  slow.Send(100);
  EXPECT_EQ(Check(kLimit + 1), 1);
  EXPECT_TRUE(slow.IsCut());
  EXPECT_FALSE(idle.IsCut());
}

TEST_F(ConnectionGuardTest, ANumberThatIsUsedAnewIsAnotherConnection) {
  Pair old, innocent;
  Add(old);
  old.Send(500'000);
  EXPECT_EQ(Check(kLimit + 1), 0);
  ASSERT_EQ(dup2(innocent.server(), old.server()), old.server());
  EXPECT_EQ(Check(kLimit + 1), 0);
  EXPECT_FALSE(innocent.IsCut());
}

TEST_F(ConnectionGuardTest, OnceItIsOverTheHeapIsGivenBackOnce) {
  Pair flood;
  Add(flood);
  EXPECT_EQ(Check(kLimit), 0);
  EXPECT_EQ(relieved_, 0);
  EXPECT_EQ(Check(kLimit + 1), 0);
  flood.Send(400'000);
  EXPECT_EQ(Check(kLimit + 1), 1);
  EXPECT_EQ(relieved_, 0);
  Check(kLimit);
  Check(kLimit);
  EXPECT_EQ(relieved_, 1);
}

TEST(HeapMeterTest, SeesWhatIsInUseAndNotWhatWasGivenBack) {
  const HeapMeter meter;
  constexpr int64_t kMany = 64 << 20;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int64_t bytes = 0; bytes < kMany; bytes += 1000) {
    blocks.push_back(std::make_unique<char[]>(1000));
    blocks.back()[0] = 'x';
  }
  const int64_t grown = meter.GrowthBytes(0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has an allocator of its own";
#endif
  EXPECT_GT(grown, kMany * 9 / 10);
  blocks.clear();
  EXPECT_LT(meter.GrowthBytes(0), kMany / 10);
}

}  // namespace
}  // namespace attendant
