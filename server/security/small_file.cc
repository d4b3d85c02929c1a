#include "server/security/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

absl::Status CannotRead(const std::string& path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", why));
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path, size_t max_bytes) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return CannotRead(path, std::strerror(errno));
  // A pipe could keep the reader for ever, a device has no end.
  if (!S_ISREG(info.st_mode)) return CannotRead(path, S_ISDIR(info.st_mode) ? "it is a directory" : "it is no file");
  std::string text;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return CannotRead(path, std::strerror(errno));
    if (count == 0) return text;
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > max_bytes) return CannotRead(path, absl::StrCat("it is larger than ", max_bytes, " bytes"));
  }
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotRead(path, std::strerror(errno));
  absl::StatusOr<std::string> text = ReadAll(fd, path, max_bytes);
  close(fd);
  return text;
}

}  // namespace attendant
