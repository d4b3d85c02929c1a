// Any bytes as the server's configuration file: settings that agree with each other, or an error in words.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "server/server_config.h"

namespace {

// A file in memory, under a path that the parser can open.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("config", 0)), path_("/proc/self/fd/" + std::to_string(fd_)) {
    if (fd_ < 0) std::abort();
  }
  void Write(const uint8_t* data, size_t size) {
    if (ftruncate(fd_, 0) != 0 || pwrite(fd_, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  }
  const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const file = new MemoryFile();
  file->Write(data, size);
  const attendant::CommandLine command = attendant::ParseCommandLine({"--config", file->path(), "--model", "m"}, {});
  if (command.config.has_value()) {
    if (!attendant::CheckConfig(*command.config).ok()) std::abort();
  } else if (command.text.empty()) {
    std::fprintf(stderr, "broken: neither a config nor a word why\n");
    std::abort();
  }
  return 0;
}
