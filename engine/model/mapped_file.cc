#include "engine/model/mapped_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "absl/strings/str_cat.h"

namespace attendant {

// Never freed, so that a handler may walk along them at any time; a later mapping takes one that is no longer used.
struct MappedRange {
  std::atomic<uintptr_t> begin{0};  // 0: not used
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
  MappedRange* next = nullptr;
};

namespace {

// Here, and not in the handler, which may call next to nothing.
const auto kPageSize = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));

std::mutex ranges_mutex;  // of those who take a range
std::atomic<MappedRange*> first_range{nullptr};

MappedRange* TakeRange(std::string_view bytes) {
  const std::lock_guard lock(ranges_mutex);
  MappedRange* range = first_range.load();
  while (range != nullptr && range->begin.load() != 0) range = range->next;
  if (range == nullptr) {
    range = new MappedRange;
    range->next = first_range.load();
    first_range.store(range);
  }
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  range->damaged.store(false);
  range->end.store((begin + bytes.size() + kPageSize - 1) / kPageSize * kPageSize);
  range->begin.store(begin);
  return range;
}

// Only what POSIX allows in a handler, and mmap, which is nothing but a system call.
void OnBusError(int signal_number, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (MappedRange* range = first_range.load(); range != nullptr; range = range->next) {
    const uintptr_t begin = range->begin.load();
    if (begin == 0 || address < begin || address >= range->end.load()) continue;
    range->damaged.store(true);  // before anybody can read what is none of the file's
    void* const page = reinterpret_cast<void*>(address / kPageSize * kPageSize);
    if (mmap(page, kPageSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) break;
    errno = saved_errno;
    return;
  }
  // The instruction runs again, and this time it ends the process.
  signal(signal_number, SIG_DFL);
  errno = saved_errno;
}

}  // namespace

void SurviveCutFiles() {
  struct sigaction action {};
  action.sa_sigaction = &OnBusError;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const std::string message = absl::StrCat(path, ": ", std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
    return errno == ENOENT ? absl::NotFoundError(message) : absl::PermissionDeniedError(message);
  }
  struct stat info {};
  void* map = MAP_FAILED;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
    map = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  }
  close(fd);
  if (map == MAP_FAILED) return absl::InvalidArgumentError(absl::StrCat(path, ": empty, or cannot be memory-mapped"));
  return std::unique_ptr<MappedFile>(
      new MappedFile(std::string_view(static_cast<const char*>(map), static_cast<size_t>(info.st_size))));
}

MappedFile::MappedFile(std::string_view bytes) : bytes_(bytes), range_(TakeRange(bytes)) {}

MappedFile::~MappedFile() {
  range_->begin.store(0);
  munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

bool MappedFile::damaged() const { return range_->damaged.load(std::memory_order_acquire); }

}  // namespace attendant
