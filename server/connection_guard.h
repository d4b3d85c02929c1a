// The last defence of the process's memory: when the heap grows beyond what the limits of requests allow for, the
// connections that pour most into it are cut off.
//
// gRPC 1.51 keeps whatever a connection sends as long as it is not a message: header blocks that never end, calls that
// are reset as fast as they are opened, pings. None of that passes through the limits of requests, and a single
// connection can fill a gigabyte a second. What is measured is the heap in use (not what the allocator holds, nor
// mapped files and the large blocks that models live in) and, only when that is over its limit, how much each
// connection received lately.
//
// It is not: a limit for honest callers; those are told earlier, with a status. Thread-safety: none; the acceptor's
// thread owns it. Ownership: borrows descriptors; that a number still means the same connection is checked by its
// cookie.
#ifndef ATTENDANT_SERVER_CONNECTION_GUARD_H_
#define ATTENDANT_SERVER_CONNECTION_GUARD_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "server/scheduling/scheduler.h"

namespace attendant {

// What tells a socket from a later one that got the same descriptor. Nothing for what is no socket.
std::optional<uint64_t> CookieOf(int connection);

// Allocated bytes that are in use; weights and workspaces are mapped and do not count. Costs a microsecond while the
// process is far from the limit.
class HeapMeter {
 public:
  HeapMeter();
  ~HeapMeter();
  HeapMeter(const HeapMeter&) = delete;
  HeapMeter& operator=(const HeapMeter&) = delete;

  // Growth since the meter was made: an upper bound while that is below `enough`, else exact.
  int64_t GrowthBytes(int64_t enough) const;

 private:
  int64_t AnonymousBytes() const;

  int statm_fd_;
  int64_t first_anonymous_;
  int64_t first_heap_;
};

class ConnectionGuard {
 public:
  struct Options {
    int64_t limit_bytes = 0;  // of the heap's growth; 0: no guard
    std::function<int64_t(int64_t enough)> growth{};
    std::function<void()> relieve{};  // gives freed memory back to the system, after a flood
  };
  // How often Check wants to be called when memory grows, and otherwise, while there are connections.
  static constexpr std::chrono::milliseconds kInterval{10};
  static constexpr std::chrono::milliseconds kCalmInterval{50};

  explicit ConnectionGuard(Options options);

  bool watching() const { return options_.limit_bytes > 0 && !connections_.empty(); }
  // Until the next Check; nothing: until there is a connection.
  std::optional<std::chrono::milliseconds> interval() const;
  void Add(int connection, SteadyTime now);
  // How many connections it has cut off.
  int Check(SteadyTime now);
  // Every connection that is still open; how many.
  int CutOffAll();

 private:
  struct Connection {
    uint64_t cookie = 0;
    SteadyTime since{};
    uint64_t received = 0;  // at the last look
    uint64_t lately = 0;    // between the last two looks
  };

  void Look();
  // Forgets connections that are closed, once a second, so that a server without any is not woken up.
  void Prune(SteadyTime now);
  // Before the second look: what those have sent that are not young was not sent lately.
  void ForgetThePast(SteadyTime now);
  int CutOff(int64_t growth);

  const Options options_;
  std::map<int, Connection> connections_;  // by descriptor; a number that is used anew replaces the old one
  bool growing_ = false;                   // beyond half of the limit
  SteadyTime next_prune_{};
  bool looked_ = false;        // at the last Check, too
  int64_t growth_at_cut_ = 0;  // 0: nobody was cut off since the limit was last kept
  SteadyTime quiet_until_{};   // memory takes a while to be freed
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_CONNECTION_GUARD_H_
