// The calls that are being answered: for draining streams, and for cutting off callers that do not read.
//
// A caller that never reads its answer keeps the answer's memory; without a deadline it would keep it for ever, and a
// few such callers would hold the whole budget. So a write that is not taken within the write timeout cancels its call.
// Thread-safety: every member from any thread. Must outlive its members; its destructor ends its thread.
#ifndef ATTENDANT_SERVER_RPC_OPEN_CALLS_H_
#define ATTENDANT_SERVER_RPC_OPEN_CALLS_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "server/scheduling/scheduler.h"

namespace attendant {

// When did the write that is out begin?
class WriteTimer {
 public:
  void Begin() { began_ = std::chrono::steady_clock::now().time_since_epoch().count(); }
  void End() { began_ = 0; }
  bool RunsSince(SteadyTime time) const {
    const SteadyTime::rep began = began_;
    return began != 0 && began <= time.time_since_epoch().count();
  }

 private:
  std::atomic<SteadyTime::rep> began_{0};  // 0: no write is out
};

class OpenCalls {
 public:
  class Member {
   public:
    virtual ~Member() = default;
    virtual void Drain() {}
    // Cancels the call when a write is out that began before the given time.
    virtual void CancelIfStuckSince(SteadyTime time) = 0;
  };

  explicit OpenCalls(std::chrono::milliseconds write_timeout);  // 0: none
  ~OpenCalls();

  // False: the server is draining, a stream must not start. The member is added all the same.
  bool Add(Member* member);
  // When it returns, nothing of the member is running. Not to be called with a lock that Drain or Cancel... take.
  void Remove(Member* member);
  void Drain();

 private:
  void Watch();

  const std::chrono::milliseconds write_timeout_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::set<Member*> members_;
  bool draining_ = false;
  bool ending_ = false;
  std::thread watcher_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_OPEN_CALLS_H_
