// A few threads that parse and tokenise large requests, so that gRPC's own threads never do.
//
// It is not: the scheduler; it runs tasks in order and knows nothing of them. Its queue is bounded by the byte budget
// that every task's request has reserved from before it gets here.
// Thread-safety: Post from any thread. The destructor runs what is queued, then ends the threads.
#ifndef ATTENDANT_SERVER_RPC_WORK_POOL_H_
#define ATTENDANT_SERVER_RPC_WORK_POOL_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace attendant {

class WorkPool {
 public:
  explicit WorkPool(int num_threads);
  ~WorkPool();

  void Post(std::function<void()> task);

 private:
  void RunTasks();

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_WORK_POOL_H_
