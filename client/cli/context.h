// What a command knows of the world around it: streams, whether they are terminals, and its exit codes.
//
// main fills it in from the process; tests fill it in with string streams, so every command runs in a test as it runs
// for a user. Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_CONTEXT_H_
#define ATTENDANT_CLIENT_CLI_CONTEXT_H_

#include <istream>
#include <ostream>
#include <string>

#include "absl/status/status.h"

namespace attendant::cli {

struct Context {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool true_color = false;  // else 256 colours
  int columns = 80;
};

// Documented in --help and docs/client.md.
enum ExitCode {
  kExitOk = 0,
  kExitSomeFailed = 1,   // some items failed, all others were done; health: not serving
  kExitUsage = 2,        // flags, or input that cannot be opened
  kExitUnreachable = 3,  // no server there, or no answer in time
  kExitRefused = 4,      // the server answered with an error
  kExitFile = 5,         // a local file could not be read or written
};

// "attendant: NAME: message" on err; the exit code that fits a call's failure.
int ReportCallFailure(Context& context, const absl::Status& status);
int ReportFailure(Context& context, ExitCode code, const std::string& message);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_CONTEXT_H_
