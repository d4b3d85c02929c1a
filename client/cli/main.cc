// `attendant`: looks at the process it runs in and hands over to RunAttendant.
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "client/cli/commands.h"

namespace {

int TerminalColumns() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool HasTrueColor() {
  const char* value = std::getenv("COLORTERM");
  return value != nullptr && (std::string_view(value) == "truecolor" || std::string_view(value) == "24bit");
}

}  // namespace

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  std::cin.tie(nullptr);
  // `attendant ... | head` should see a failed write, and end, not die with an unexplained signal.
  std::signal(SIGPIPE, SIG_IGN);
  attendant::cli::Context context{std::cin, std::cout, std::cerr};
  context.in_is_terminal = isatty(STDIN_FILENO) == 1;
  context.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  context.err_is_terminal = isatty(STDERR_FILENO) == 1;
  context.true_color = HasTrueColor();
  context.columns = TerminalColumns();
  const int code = attendant::cli::RunAttendant({argv + 1, argv + argc}, context);
  std::cout.flush();
  if (code == attendant::cli::kExitOk && !std::cout) {
    return attendant::cli::ReportFailure(context, attendant::cli::kExitFile, "cannot write to standard output");
  }
  return code;
}
