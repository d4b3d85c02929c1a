// Prometheus's own check of a scrape, where promtool is installed.
#ifndef ATTENDANT_TESTS_SERVER_OBSERVABILITY_PROMTOOL_H_
#define ATTENDANT_TESTS_SERVER_OBSERVABILITY_PROMTOOL_H_

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace attendant {

inline bool HavePromtool() { return std::system("command -v promtool >/dev/null 2>&1") == 0; }

// What `promtool check metrics` says: nothing, when all is well.
inline std::string PromtoolComplaints(const std::string& scrape) {
  std::string path = testing::TempDir() + "/scrape_XXXXXX";
  const int fd = mkstemp(path.data());
  EXPECT_GE(fd, 0);
  std::ofstream(path) << scrape;
  FILE* pipe = popen(("promtool check metrics < " + path + " 2>&1 || echo failed").c_str(), "r");
  std::string output;
  for (int c; (c = std::fgetc(pipe)) != EOF;) output.push_back(static_cast<char>(c));
  pclose(pipe);
  std::remove(path.c_str());
  return output;
}

inline void ExpectPromtoolClean(const std::string& scrape) {
  if (!HavePromtool()) GTEST_SKIP() << "promtool is not installed";
  EXPECT_EQ(PromtoolComplaints(scrape), "") << scrape;
}

}  // namespace attendant

#endif  // ATTENDANT_TESTS_SERVER_OBSERVABILITY_PROMTOOL_H_
