// SIGTERM and SIGINT as events on a thread of their own: the first is for Wait, a second one ends the process at once.
//
// Thread-safety: create it first of all in main, before other threads exist, so that they inherit the blocked signals;
// Wait from one thread.
#ifndef ATTENDANT_SERVER_SIGNAL_WAITER_H_
#define ATTENDANT_SERVER_SIGNAL_WAITER_H_

#include <atomic>
#include <thread>

namespace attendant {

class SignalWaiter {
 public:
  SignalWaiter();
  ~SignalWaiter();
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  // Returns the signal.
  int Wait();

 private:
  void Run();

  std::atomic<int> signal_{0};  // the first one received
  int stop_fd_ = -1;
  std::thread thread_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SIGNAL_WAITER_H_
