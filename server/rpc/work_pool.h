// A few threads that parse and tokenise large requests, so that gRPC's own threads never do.
//
// It is not: the scheduler; it runs tasks in order and knows nothing of them. Its queue is bounded by the byte budget
// that every task's request has reserved from before it gets here.
// Thread-safety: Post from any thread. The destructor runs what is queued, then ends the threads.
#ifndef ATTENDANT_SERVER_RPC_WORK_POOL_H_
#define ATTENDANT_SERVER_RPC_WORK_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace attendant {

class WorkPool {
 public:
  explicit WorkPool(int num_threads);
  ~WorkPool();

  void Post(std::function<void()> task);

 private:
  void RunTasks();

  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_WORK_POOL_H_
