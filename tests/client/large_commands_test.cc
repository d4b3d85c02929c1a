// attention and bench, as a user runs them.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/client/command_fixture.h"

namespace attendant::cli {
namespace {

using client::FakeFault;
using nlohmann::json;
using ::testing::HasSubstr;

class AttentionCommandTest : public CommandTest {};

TEST_F(AttentionCommandTest, PlainHeatMapWhereThereIsNoTerminal) {
  EXPECT_EQ(Run({"attention", "a text"}), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("layer 1, mean of 2 heads"));
  EXPECT_THAT(out_, HasSubstr("[CLS] @@"));
  EXPECT_EQ(out_.find('\x1b'), std::string::npos);
}

TEST_F(AttentionCommandTest, ColoursOnATerminalUnlessAscii) {
  out_is_terminal_ = true;
  EXPECT_EQ(Run({"attention", "a"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("\x1b[48;5;"));
  true_color_ = true;
  EXPECT_EQ(Run({"attention", "a"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("\x1b[48;2;"));
  EXPECT_EQ(Run({"attention", "a", "--ascii"}), kExitOk);
  EXPECT_EQ(out_.find('\x1b'), std::string::npos);
}

TEST_F(AttentionCommandTest, JsonHasTheShapeOfBertviz) {
  EXPECT_EQ(Run({"attention", "first", "second", "--json", "--layer", "-1,0", "--head", "all"}), kExitOk) << err_;
  const json out = json::parse(out_);
  ASSERT_EQ(out["attention"].size(), 2u);           // layers
  ASSERT_EQ(out["attention"][0].size(), 1u);        // a batch of one
  ASSERT_EQ(out["attention"][0][0].size(), 2u);     // heads
  ASSERT_EQ(out["attention"][1][0][1].size(), 5u);  // rows
  EXPECT_EQ(out["attention"][1][0][1][2][2], 0.6);
  EXPECT_EQ(out["tokens"][0], "[CLS]");
  EXPECT_EQ(out["layers"], json({0, 1}));
}

TEST_F(AttentionCommandTest, WritesAPicture) {
  EXPECT_EQ(Run({"attention", "a", "--head", "all", "--png", Path("a.png")}), kExitOk) << err_;
  EXPECT_EQ(ReadFile(Path("a.png")).substr(1, 3), "PNG");
  EXPECT_EQ(out_, "");
  EXPECT_EQ(Run({"attention", "a", "--png", "/no/such/directory/a.png"}), kExitFile);
}

TEST_F(AttentionCommandTest, WrongUsage) {
  EXPECT_EQ(Run({"attention"}), kExitUsage);
  EXPECT_EQ(Run({"attention", "a", "b", "c"}), kExitUsage);
  EXPECT_EQ(Run({"attention", "a", "--layer", "2"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("no layer 2; it has 2 (0 to 1)"));
  EXPECT_EQ(Run({"attention", "a", "--head", "one"}), kExitUsage);
  EXPECT_EQ(Run({"attention", "a", "--ids", "1,2"}), kExitUsage);
  EXPECT_EQ(Run({"attention", "--ids", "101,7,102"}), kExitOk) << err_;
  server_.AddFault({.code = absl::StatusCode::kInvalidArgument});
  EXPECT_EQ(Run({"attention", "a"}), kExitRefused);
}

class BenchCommandTest : public CommandTest {};

TEST_F(BenchCommandTest, ClosedLoopByNumberOfRequests) {
  EXPECT_EQ(Run({"bench", "--requests", "200", "--warm-up", "0", "--concurrency", "4", "--items-per-request", "3",
                 "--json", Path("b.json")}),
            kExitOk)
      << err_;
  EXPECT_THAT(out_, HasSubstr("answered    200 requests"));
  const json report = json::parse(ReadFile(Path("b.json")));
  EXPECT_EQ(report["requests"], 200);
  EXPECT_EQ(report["items"], 600);
  EXPECT_EQ(report["tokens"], 1800);
  EXPECT_EQ(report["latency_us"]["client_total"]["count"], 200);
  EXPECT_EQ(report["latency_us"]["compute"]["p99.9"], 700);
  EXPECT_EQ(report["loop"], "closed");
}

TEST_F(BenchCommandTest, OnAStream) {
  EXPECT_EQ(Run({"bench", "--stream", "--requests", "100", "--warm-up", "0", "--json", Path("b.json")}), kExitOk)
      << err_;
  EXPECT_EQ(json::parse(ReadFile(Path("b.json")))["items"], 100);
  EXPECT_EQ(server_.streams(), 1);
}

TEST_F(BenchCommandTest, OpenLoop) {
  EXPECT_EQ(Run({"bench", "--rate", "2000", "--requests", "100", "--warm-up", "0", "--synthetic", "texts", "--lengths",
                 "12", "--json", Path("b.json")}),
            kExitOk)
      << err_;
  EXPECT_THAT(out_, HasSubstr("latency from the intended start"));
  EXPECT_EQ(json::parse(ReadFile(Path("b.json")))["items"], 100);
}

TEST_F(BenchCommandTest, RefusalsAreCountedNotHidden) {
  server_.AddFault({.code = absl::StatusCode::kResourceExhausted, .retry_after = std::chrono::milliseconds(1)}, 5);
  EXPECT_EQ(Run({"bench", "--requests", "20", "--warm-up", "0", "--concurrency", "1"}), kExitSomeFailed);
  EXPECT_THAT(out_, HasSubstr("requests: RESOURCE_EXHAUSTED 5"));
}

TEST_F(BenchCommandTest, SendsAFilesItems) {
  EXPECT_EQ(Run({"bench", "--requests", "10", "--warm-up", "0", "--input", WriteFile("in.txt", "one\ntwo\n")}), kExitOk)
      << err_;
  EXPECT_EQ(Run({"bench", "--input", WriteFile("bad.jsonl", "{}\n")}), kExitUsage);
  EXPECT_EQ(Run({"bench", "--input", WriteFile("empty.txt", "")}), kExitUsage);
}

TEST_F(BenchCommandTest, WrongUsage) {
  EXPECT_EQ(Run({"bench", "--lengths", "65", "--requests", "1"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("more than the model's 64 tokens"));
  EXPECT_EQ(Run({"bench", "--lengths", "short"}), kExitUsage);
  EXPECT_EQ(Run({"bench", "--requests", "5", "--duration", "3"}), kExitUsage);
  const std::string gone = client::FakeServer().address();
  EXPECT_EQ(RunBare({"bench", "--server", gone}), kExitUnreachable);
}

}  // namespace
}  // namespace attendant::cli
