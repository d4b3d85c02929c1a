// The first process of the emulated machine: turns the tiles on (tiles.c), runs every program in /tests, says on the
// console how each ended, and switches the machine off. The closing line is what run.sh waits for.
#include <dirent.h>
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

std::vector<std::string> Programs(const char* folder) {
  std::vector<std::string> paths;
  DIR* entries = opendir(folder);
  if (entries == nullptr) return paths;
  while (const dirent* entry = readdir(entries)) {
    if (entry->d_name[0] != '.') paths.push_back(std::string(folder) + "/" + entry->d_name);
  }
  closedir(entries);
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool Passes(const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    execl(path.c_str(), path.c_str(), nullptr);
    std::perror(path.c_str());
    _exit(127);
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child) return false;
  if (WIFSIGNALED(status)) {
    std::printf("emulated: %s was ended by signal %d\n", path.c_str(), WTERMSIG(status));
  } else {
    std::printf("emulated: %s exited with %d\n", path.c_str(), WEXITSTATUS(status));
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool TurnTilesOn() {
  const int module = open("/tiles.ko", O_RDONLY | O_CLOEXEC);
  return module >= 0 && syscall(SYS_finit_module, module, "", 0) == 0;
}

// Bochs ends when it reads this word on this port.
void SwitchOff() {
  if (iopl(3) != 0) return;
  for (const char* c = "Shutdown"; *c != '\0'; ++c) outb(static_cast<unsigned char>(*c), 0x8900);
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  mount("proc", "/proc", "proc", 0, nullptr);
  setenv("ATTENDANT_TEST_AMX", "1", 1);
  // One thread at a time: see tiles.c. And Bochs 3.0 takes the signed bytes of TDPBUSD as unsigned ones.
  setenv("GTEST_FILTER", "-AmxPermission.CoversEveryThread:AmxGemmTest/Int8.*:AmxInt8.*", 1);
  const std::vector<std::string> programs = Programs("/tests");
  bool passed = !programs.empty() && TurnTilesOn();
  if (!passed) std::perror("tests and tiles");
  for (const std::string& path : programs) passed = Passes(path) && passed;
  std::printf("emulated: %s\n", passed ? "PASSED" : "FAILED");
  std::fflush(stdout);
  sleep(1);  // the console's last bytes are still on their way
  SwitchOff();
  for (;;) pause();
}
