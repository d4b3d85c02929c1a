// Runs `attendant` commands in this process against a FakeServer, with string streams for the terminal.
// For one thread.
#ifndef ATTENDANT_TESTS_CLIENT_COMMAND_FIXTURE_H_
#define ATTENDANT_TESTS_CLIENT_COMMAND_FIXTURE_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "client/cli/commands.h"
#include "tests/client/fake_server.h"

namespace attendant::cli {

class CommandTest : public ::testing::Test {
 protected:
  CommandTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::temp_directory_path() /
                 (std::string("attendant_") + test->name() + "_" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
  }
  ~CommandTest() override { std::filesystem::remove_all(directory_); }

  // Adds --server. Output and errors are in out_ and err_.
  int Run(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin() + 1, {"--server", server_.address()});
    return RunBare(arguments, input);
  }

  int RunBare(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Context context{in, out, err};
    context.out_is_terminal = out_is_terminal_;
    context.true_color = true_color_;
    const int code = RunAttendant(arguments, context);
    out_ = out.str();
    err_ = err.str();
    return code;
  }

  std::string Path(const std::string& name) const { return (directory_ / name).string(); }

  std::string WriteFile(const std::string& name, const std::string& content) const {
    std::ofstream(Path(name), std::ios::binary) << content;
    return Path(name);
  }

  static std::string ReadFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
  }

  client::FakeServer server_;
  std::filesystem::path directory_;
  std::string out_;
  std::string err_;
  bool out_is_terminal_ = false;
  bool true_color_ = false;
};

}  // namespace attendant::cli

#endif  // ATTENDANT_TESTS_CLIENT_COMMAND_FIXTURE_H_
