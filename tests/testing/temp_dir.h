// A directory of its own for a test, with what is in it removed at the end, and files written as operators do it.
#ifndef ATTENDANT_TESTS_TESTING_TEMP_DIR_H_
#define ATTENDANT_TESTS_TESTING_TEMP_DIR_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace attendant::testing {

class TempDir {
 public:
  TempDir() {
    std::string pattern = ::testing::TempDir() + "attendant.XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  // In place, over what was there.
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  // As a new file under the old name, complete or not at all.
  std::string Replace(const std::string& name, const std::string& text) const {
    std::filesystem::rename(Write(name + ".new", text), Path(name));
    return Path(name);
  }

 private:
  std::string path_;
};

}  // namespace attendant::testing

#endif  // ATTENDANT_TESTS_TESTING_TEMP_DIR_H_
