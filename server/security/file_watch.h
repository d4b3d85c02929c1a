// Re-reads files when they change: one thread that looks at their times, sizes and inodes once a second.
//
// Polling sees what notification misses: files swapped by symlink (Kubernetes secrets) and network file systems. What
// is watched decides itself whether the new contents are good; a refusal is logged with its reason, once, and the old
// contents stay in use.
// Thread-safety: Watch before Start; ReloadAll and Poll from any thread. The destructor ends the thread.
#ifndef ATTENDANT_SERVER_SECURITY_FILE_WATCH_H_
#define ATTENDANT_SERVER_SECURITY_FILE_WATCH_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace attendant {

class FileWatch {
 public:
  // True: something new is in use. After an error the old is.
  using Reload = std::function<absl::StatusOr<bool>()>;

  FileWatch() = default;
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // what: for the log, "API keys". The files as they are now count as read.
  void Watch(std::string what, std::vector<std::string> paths, Reload reload);
  // Nothing to watch: no thread.
  void Start(std::chrono::milliseconds interval = std::chrono::seconds(1));

  // Reloads what has changed; what the thread does. For tests, so that they need not wait.
  void Poll();
  // Reloads everything; for SIGHUP.
  void ReloadAll();

 private:
  struct Watched {
    std::string what;
    std::vector<std::string> paths;
    Reload reload;
    std::string signature;
    // A file may change again within the resolution of its times, so one look more follows each change.
    bool settling = false;
    std::string last_error;
  };

  void ReloadOne(Watched* watched);
  void Run(std::chrono::milliseconds interval);

  std::mutex watched_mutex_;  // guards the next
  std::vector<Watched> watched_;

  std::mutex mutex_;  // guards the next
  bool ending_ = false;
  std::condition_variable ended_;
  std::thread thread_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_FILE_WATCH_H_
