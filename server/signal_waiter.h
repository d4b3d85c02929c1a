// SIGTERM, SIGINT and SIGHUP as events on a thread of their own. SIGHUP and the first of the others are for Wait; a
// second SIGTERM or SIGINT ends the process at once.
//
// Thread-safety: create it first of all in main, before other threads exist, so that they inherit the blocked signals;
// Wait from one thread.
#ifndef ATTENDANT_SERVER_SIGNAL_WAITER_H_
#define ATTENDANT_SERVER_SIGNAL_WAITER_H_

#include <condition_variable>
#include <mutex>
#include <thread>

namespace attendant {

class SignalWaiter {
 public:
  SignalWaiter();
  ~SignalWaiter();
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  // SIGHUP, once for all that came since the last Wait; SIGTERM or SIGINT, which goes before it and stays.
  int Wait();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  // Below: guarded by mutex_.
  int stop_signal_ = 0;  // the first one received
  bool hangup_ = false;
  int stop_fd_ = -1;
  std::thread thread_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SIGNAL_WAITER_H_
