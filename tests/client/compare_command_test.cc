// attendant rank, compare, completion and man.
#include <algorithm>
#include <numeric>

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "tests/client/command_fixture.h"

namespace attendant::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CompareCommandTest : public CommandTest {};

TEST_F(CompareCommandTest, TwoServersThatAgree) {
  client::FakeServer other;
  EXPECT_EQ(Run({"compare", "--other-server", other.address(), "--json", "--min-cosine", "0.999", "a", "b", "c"}),
            kExitOk)
      << err_;
  const json report = json::parse(out_);
  EXPECT_EQ(report["items"], 3);
  EXPECT_EQ(report["identical"], 3);
  EXPECT_EQ(report["cosine"]["worst"], 1.0);
  EXPECT_EQ(report["pairs"], 3);
  EXPECT_EQ(report["second"]["server"], other.address());
  EXPECT_EQ(other.streams(), 1);
}

TEST_F(CompareCommandTest, TheTableAndThePicture) {
  const std::string plot = Path("drift.png");
  EXPECT_EQ(Run({"compare", "--other-model", "", "--plot", plot, "a", "b"}), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("2 compared, 2 of them with equal bytes"));
  EXPECT_THAT(ReadFile(plot), StartsWith("\x89PNG"));
  EXPECT_EQ(Run({"compare", "--other-model", "", "--plot", Path("no/such/drift.png"), "a"}), kExitFile);
  EXPECT_THAT(err_, HasSubstr("no/such/drift.png"));
}

TEST_F(CompareCommandTest, WhatCannotBeCompared) {
  EXPECT_EQ(Run({"compare", "a"}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("--other-model"));
  EXPECT_EQ(Run({"compare", "--other-model", "x"}, ""), kExitUsage);
  EXPECT_EQ(Run({"compare", "--other-model", "", "a", " "}), kExitSomeFailed);
  EXPECT_THAT(err_, HasSubstr("item 2: INVALID_ARGUMENT"));
  EXPECT_THAT(out_, HasSubstr("1 compared"));
  EXPECT_EQ(Run({"compare", "--other-model", "", " "}), kExitSomeFailed);
  EXPECT_EQ(Run({"compare", "--other-server", "127.0.0.1:1", "--timeout", "1", "a"}), kExitUnreachable);
}

TEST_F(CompareCommandTest, RankGoesThroughAsManyCallsAsTheLimitNeeds) {
  server_.SetLimits({.max_items_per_request = 4});
  std::string input;
  std::vector<std::pair<float, size_t>> expected;
  const std::vector<float> query = client::FakeVector("needle");
  for (size_t i = 0; i < 10; ++i) {
    const std::string text = "text " + std::to_string(i);
    input += text + "\n";
    const std::vector<float> vector = client::FakeVector(text);
    expected.emplace_back(-std::inner_product(query.begin(), query.end(), vector.begin(), 0.0f), i + 1);
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(Run({"rank", "--query", "needle", "--top", "3", "--json"}, input), kExitOk) << err_;
  const json results = json::parse(out_)["results"];
  ASSERT_EQ(results.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(results[i]["item"], expected[i].second);
    EXPECT_FLOAT_EQ(results[i]["score"].get<float>(), -expected[i].first);
  }
  EXPECT_EQ(server_.calls(), 4);  // three texts each, beside the query
}

TEST_F(CompareCommandTest, RankShowsTextsAndNamesWhatFailed) {
  EXPECT_EQ(Run({"rank", "--query", "needle", "one", " ", "two"}), kExitSomeFailed);
  EXPECT_THAT(err_, HasSubstr("item 2: INVALID_ARGUMENT"));
  EXPECT_THAT(out_, HasSubstr("       1  one\n"));
  EXPECT_THAT(out_, HasSubstr("       3  two\n"));
  EXPECT_EQ(Run({"rank", "one"}), kExitUsage);
  EXPECT_EQ(Run({"rank", "--query", "q", "--function", "angle", "one"}), kExitUsage);
}

TEST_F(CompareCommandTest, CompletionKnowsCommandsFlagsAndChoices) {
  EXPECT_EQ(RunBare({"completion", "bash"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("words='embed similarity rank compare "));
  EXPECT_THAT(out_, HasSubstr("'embed --truncation') COMPREPLY=($(compgen -W 'default end error start'"));
  EXPECT_THAT(out_, HasSubstr("'embed -o' | 'embed --output') COMPREPLY=($(compgen -f"));
  EXPECT_THAT(out_, ::testing::Not(HasSubstr("--help')")));  // takes no value
  EXPECT_THAT(out_, HasSubstr("completion) words='-h --help bash fish zsh'"));
  EXPECT_EQ(RunBare({"completion", "fish"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("__fish_seen_subcommand_from embed' -l truncation -xa 'default end error start'"));
  EXPECT_EQ(RunBare({"completion", "zsh"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("bashcompinit"));
  EXPECT_EQ(RunBare({"completion", "tcsh"}), kExitUsage);
}

TEST_F(CompareCommandTest, TheManualHasEveryCommandAndFlag) {
  EXPECT_EQ(RunBare({"man"}), kExitOk);
  EXPECT_THAT(out_, StartsWith(".TH ATTENDANT 1"));
  for (const char* part :
       {".SS embed\n", ".SS compare\n", "\\-\\-min\\-cosine", ".SH ENVIRONMENT", "ATTENDANT_SERVER"}) {
    EXPECT_THAT(out_, HasSubstr(part));
  }
}

}  // namespace
}  // namespace attendant::cli
