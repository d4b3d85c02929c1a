#include "server/connection_guard.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "server/observability/logging.h"

namespace attendant {
namespace {

// Time for a connection that was cut off to give back its memory, before the next one has to go ...
constexpr std::chrono::milliseconds kMercy{100};
// ... unless things get worse by this much.
constexpr int64_t kWorseBytes = 8 << 20;
// Whoever sent less than this between two looks is not what fills the memory now.
constexpr uint64_t kPouring = 64 << 10;
// All that a connection of this age has sent, it has sent just now.
constexpr std::chrono::milliseconds kYouth{1000};

// In arenas, and the large blocks that the allocator maps.
int64_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

// 0 for what is no TCP connection.
uint64_t ReceivedBy(int connection) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return getsockopt(connection, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

}  // namespace

std::optional<uint64_t> CookieOf(int connection) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (getsockopt(connection, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return std::nullopt;
  return cookie;
}

HeapMeter::HeapMeter() : statm_fd_(open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {
  first_anonymous_ = AnonymousBytes();
  first_heap_ = HeapBytes();
}

HeapMeter::~HeapMeter() {
  if (statm_fd_ >= 0) close(statm_fd_);
}

int64_t HeapMeter::AnonymousBytes() const {
  char text[128] = {};
  long long size = 0, resident = 0, shared = 0;
  const ssize_t length = pread(statm_fd_, text, sizeof text - 1, 0);
  if (length <= 0 || std::sscanf(text, "%lld %lld %lld", &size, &resident, &shared) != 3) return 0;
  return (resident - shared) * sysconf(_SC_PAGESIZE);
}

int64_t HeapMeter::GrowthBytes(int64_t enough) const {
  const int64_t resident = AnonymousBytes() - first_anonymous_;
  if (resident < enough) return resident;
  return HeapBytes() - first_heap_;
}

ConnectionGuard::ConnectionGuard(Options options) : options_(std::move(options)) {}

std::optional<std::chrono::milliseconds> ConnectionGuard::interval() const {
  if (!watching()) return std::nullopt;
  return growing_ ? kInterval : kCalmInterval;
}

void ConnectionGuard::Add(int connection, SteadyTime now) {
  if (options_.limit_bytes <= 0) return;
  if (const auto cookie = CookieOf(connection)) connections_[connection] = {.cookie = *cookie, .since = now};
}

int ConnectionGuard::Check(SteadyTime now) {
  if (!watching()) return 0;
  Prune(now);
  const int64_t growth = options_.growth(options_.limit_bytes);
  growing_ = growth > options_.limit_bytes / 2;
  if (growth <= options_.limit_bytes) {
    looked_ = false;
    if (std::exchange(growth_at_cut_, 0) > 0 && options_.relieve) options_.relieve();
    return 0;
  }
  const bool before = std::exchange(looked_, true);
  Look();
  // The first look has nothing to compare with but the connections' whole lives: that is "lately" for the young ones.
  const auto young = [now](const auto& entry) {
    return now - entry.second.since < kYouth && entry.second.lately > kPouring;
  };
  if (!before && std::none_of(connections_.begin(), connections_.end(), young)) return 0;
  if (!before) ForgetThePast(now);
  if (now < quiet_until_ && growth < growth_at_cut_ + kWorseBytes) return 0;
  growth_at_cut_ = growth;
  quiet_until_ = now + kMercy;
  return CutOff(growth);
}

int ConnectionGuard::CutOffAll() {
  int count = 0;
  for (const auto& [fd, connection] : connections_) {
    if (CookieOf(fd) != connection.cookie) continue;
    shutdown(fd, SHUT_RDWR);
    ++count;
  }
  return count;
}

void ConnectionGuard::Prune(SteadyTime now) {
  if (now < next_prune_) return;
  next_prune_ = now + std::chrono::seconds(1);
  std::erase_if(connections_, [](const auto& entry) { return CookieOf(entry.first) != entry.second.cookie; });
}

void ConnectionGuard::Look() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (CookieOf(it->first) != it->second.cookie) {
      it = connections_.erase(it);
      continue;
    }
    const uint64_t received = ReceivedBy(it->first);
    it->second.lately = received - it->second.received;
    it->second.received = received;
    ++it;
  }
}

void ConnectionGuard::ForgetThePast(SteadyTime now) {
  for (auto& [fd, connection] : connections_) {
    if (now - connection.since >= kYouth) connection.lately = 0;
  }
}

int ConnectionGuard::CutOff(int64_t growth) {
  uint64_t most = 0, most_ever = 0;
  for (const auto& [fd, connection] : connections_) {
    most = std::max(most, connection.lately);
    most_ever = std::max(most_ever, connection.received);
  }
  // Whoever pours now; when nobody does, whoever has sent most of all.
  const bool pouring = most >= kPouring;
  int count = 0;
  for (const auto& [fd, connection] : connections_) {
    const bool guilty = pouring ? connection.lately >= most / 4 : connection.received == most_ever;
    // The cookie once more: between look and cut lies next to nothing, and the worst is one innocent connection less.
    if (!guilty || connection.received == 0 || CookieOf(fd) != connection.cookie) continue;
    shutdown(fd, SHUT_RDWR);
    ++count;
  }
  if (count > 0) {
    LogWarning("connections cut off",
               {{"count", count},
                {"reason", "the heap has grown beyond what requests may hold, and they sent most"},
                {"heap_growth_bytes", growth},
                {"limit_bytes", options_.limit_bytes},
                {"received_bytes", pouring ? most : most_ever}});
  }
  return count;
}

}  // namespace attendant
