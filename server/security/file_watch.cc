#include "server/security/file_watch.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/observability/logging.h"

namespace attendant {
namespace {

std::string Signature(const std::vector<std::string>& paths) {
  std::string signature;
  for (const std::string& path : paths) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
      absl::StrAppend(&signature, "none;");
      continue;
    }
    absl::StrAppend(&signature, info.st_dev, ":", info.st_ino, ":", info.st_size, ":");
    absl::StrAppend(&signature, info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, ":");
    absl::StrAppend(&signature, info.st_ctim.tv_sec, ".", info.st_ctim.tv_nsec, ";");
  }
  return signature;
}

}  // namespace

FileWatch::~FileWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FileWatch::Watch(std::string what, std::vector<std::string> paths, Reload reload) {
  const std::lock_guard lock(watched_mutex_);
  std::string signature = Signature(paths);
  // Whoever read the files did so before this look, and may have missed a change.
  watched_.push_back({std::move(what), std::move(paths), std::move(reload), std::move(signature), true, ""});
}

void FileWatch::Start(std::chrono::milliseconds interval) {
  const std::lock_guard lock(watched_mutex_);
  if (!watched_.empty()) thread_ = std::thread([this, interval] { Run(interval); });
}

void FileWatch::Run(std::chrono::milliseconds interval) {
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, interval, [this] { return ending_; })) {
    lock.unlock();
    Poll();
    lock.lock();
  }
}

void FileWatch::Poll() {
  const std::lock_guard lock(watched_mutex_);
  for (Watched& watched : watched_) {
    // Before the reading: what changes meanwhile shows at the next look.
    std::string signature = Signature(watched.paths);
    const bool changed = signature != watched.signature;
    if (!changed && !watched.settling) continue;
    watched.signature = std::move(signature);
    watched.settling = changed;
    ReloadOne(&watched);
  }
}

void FileWatch::ReloadAll() {
  const std::lock_guard lock(watched_mutex_);
  for (Watched& watched : watched_) {
    watched.last_error.clear();
    ReloadOne(&watched);
  }
}

void FileWatch::ReloadOne(Watched* watched) {
  const absl::StatusOr<bool> reloaded = watched->reload();
  if (!reloaded.ok()) {
    std::string error(reloaded.status().message());
    if (error == watched->last_error) return;
    LogError("not reloaded, the old ones stay in use", {{"what", watched->what}, {"reason", error}});
    watched->last_error = std::move(error);
    return;
  }
  watched->last_error.clear();
  if (*reloaded) LogInfo("reloaded", {{"what", watched->what}});
}

}  // namespace attendant
