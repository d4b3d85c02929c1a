// How a fuzz target says that a promise is broken: in words, and with the end of the process, which libFuzzer and the
// replay both report. Thread-safety: free function.
#ifndef ATTENDANT_TESTS_FUZZ_REQUIRE_H_
#define ATTENDANT_TESTS_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>
#include <string>

namespace attendant::fuzz {

inline void Require(bool condition, const char* what, const std::string& detail = "") {
  if (condition) return;
  std::fprintf(stderr, "broken: %s %s\n", what, detail.c_str());
  std::abort();
}

}  // namespace attendant::fuzz

#endif  // ATTENDANT_TESTS_FUZZ_REQUIRE_H_
