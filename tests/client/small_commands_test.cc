// health, similarity, tokenize, models.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/client/command_fixture.h"

namespace attendant::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class SmallCommandsTest : public CommandTest {};

TEST_F(SmallCommandsTest, HealthIsAnExitStatus) {
  EXPECT_EQ(Run({"health"}), kExitOk);
  EXPECT_EQ(out_, "SERVING\n");
  EXPECT_EQ(Run({"health", "--service", "attendant.v1.EmbeddingService"}), kExitOk);
  EXPECT_EQ(Run({"health", "--service", "other"}), kExitRefused);
  server_.SetServing(false);
  EXPECT_EQ(Run({"health"}), kExitSomeFailed);
  EXPECT_EQ(out_, "NOT_SERVING\n");
  const std::string gone = client::FakeServer().address();
  EXPECT_EQ(RunBare({"health", "--server", gone}), kExitUnreachable);
  EXPECT_THAT(err_, HasSubstr(gone));
}

TEST_F(SmallCommandsTest, TheServersAddressComesFromTheEnvironment) {
  ::setenv("ATTENDANT_SERVER", server_.address().c_str(), 1);
  EXPECT_EQ(RunBare({"health"}), kExitOk);
  ::unsetenv("ATTENDANT_SERVER");
}

TEST_F(SmallCommandsTest, FilesOfKeysAndCertificatesAreNamedWhenTheyWillNotDo) {
  EXPECT_EQ(Run({"models", "--api-key-file", Path("none")}), kExitUsage);
  EXPECT_THAT(err_, ::testing::AllOf(HasSubstr("--api-key-file"), HasSubstr(Path("none"))));
  EXPECT_EQ(Run({"models", "--api-key-file", WriteFile("key", "two words")}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("api_key"));
  EXPECT_EQ(Run({"models", "--tls-ca", WriteFile("ca", "no PEM")}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("CERTIFICATE"));
  EXPECT_EQ(Run({"models", "--tls-cert", WriteFile("cert", "x")}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("--tls-key"));
}

TEST_F(SmallCommandsTest, AKeyIsForWhoeverAsksForIt) {
  EXPECT_EQ(Run({"models", "--api-key-file", WriteFile("key", "0123456789abcdef\n")}), kExitOk) << err_;
  ::setenv("ATTENDANT_API_KEY", "0123456789abcdef", 1);
  EXPECT_EQ(Run({"models"}), kExitOk) << err_;
  ::setenv("ATTENDANT_API_KEY", "two words", 1);
  EXPECT_EQ(Run({"models"}), kExitUsage);
  ::unsetenv("ATTENDANT_API_KEY");
}

TEST_F(SmallCommandsTest, TlsDoesNotFallBackToPlainText) {
  EXPECT_EQ(Run({"health", "--tls", "--timeout", "2"}), kExitUnreachable);
}

TEST_F(SmallCommandsTest, SimilarityTable) {
  EXPECT_EQ(Run({"similarity", "--timings", "same", "same", "another"}), kExitOk) << err_;
  std::istringstream lines(out_);
  std::string line;
  std::getline(lines, line);
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("   1  1.0000  1.0000"));
  EXPECT_THAT(line, ::testing::EndsWith("  same"));
  EXPECT_THAT(out_, HasSubstr("compute 0.70 ms, total 1.00 ms in the server"));
}

TEST_F(SmallCommandsTest, SimilarityJsonIsSymmetricWithOnes) {
  std::string input;
  for (int i = 0; i < 70; ++i) input += "text " + std::to_string(i) + "\n";
  EXPECT_EQ(Run({"similarity", "--json"}, input), kExitOk);
  const json matrix = json::parse(out_)["similarity"];
  ASSERT_EQ(matrix.size(), 70u);
  for (size_t i = 0; i < 70; ++i) {
    EXPECT_NEAR(matrix[i][i].get<double>(), 1.0, 1e-6);
    for (size_t j = 0; j < 70; ++j) EXPECT_EQ(matrix[i][j], matrix[j][i]);
  }
  EXPECT_EQ(json::parse(out_)["timings_us"]["compute"], 3 * 700);
}

TEST_F(SmallCommandsTest, SimilarityOfAFailedItem) {
  EXPECT_EQ(Run({"similarity", "--json", "a", " "}), kExitSomeFailed);
  EXPECT_TRUE(json::parse(out_)["similarity"][0][1].is_null());
  EXPECT_THAT(err_, HasSubstr("item 2: INVALID_ARGUMENT"));
  EXPECT_EQ(Run({"similarity"}, ""), kExitUsage);
}

TEST_F(SmallCommandsTest, Tokenize) {
  EXPECT_EQ(Run({"tokenize", "hi"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("argument 1: 2 tokens"));
  EXPECT_THAT(out_, HasSubstr("1     105     0       1..2  i"));
  EXPECT_EQ(Run({"tokenize", "--json", "ab", " "}), kExitSomeFailed);
  EXPECT_EQ(json::parse(out_)["tokens"][1]["text"], "b");
}

TEST_F(SmallCommandsTest, TokenizeReadsAnyNumber) {
  std::string input;
  for (int i = 0; i < 100; ++i) input += "x\n";
  EXPECT_EQ(Run({"tokenize", "--json", "--input", "-"}, input), kExitOk);
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 100);
}

TEST_F(SmallCommandsTest, Models) {
  server_.SetLimits({.max_items_per_request = 77});
  EXPECT_EQ(Run({"models"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("fingerprint    f00d"));
  EXPECT_THAT(out_, HasSubstr("77 items a request"));
  EXPECT_EQ(Run({"models", "--json"}), kExitOk);
  EXPECT_EQ(json::parse(out_)[0]["pooling"][0], "mean");
  EXPECT_EQ(json::parse(out_)[0]["limits"]["max_items_per_request"], 77);
}

TEST_F(SmallCommandsTest, GoldenVectorsAreWrittenDown) {
  const std::string texts = WriteFile("texts.txt", "one\ntwo\n");
  EXPECT_EQ(Run({"golden", "--texts", texts, "--output", Path("g.json")}), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("2 texts of"));
  const json golden = json::parse(ReadFile(Path("g.json")));
  EXPECT_EQ(golden["format"], "attendant-golden-1");
  EXPECT_EQ(golden["fingerprint"], "f00d");
  EXPECT_EQ(golden["items"][1]["text"], "two");
  EXPECT_EQ(golden["items"][1]["vector"].get<std::vector<float>>(), client::FakeVector("two"));
}

TEST_F(SmallCommandsTest, GoldenVectorsOfWhatIsNoText) {
  const std::string output = Path("g.json");
  EXPECT_EQ(Run({"golden", "--texts", WriteFile("a", ""), "--output", output}), kExitUsage);
  EXPECT_EQ(Run({"golden", "--texts", WriteFile("b.jsonl", "{\"ids\": [1]}\n"), "--output", output}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("single texts"));
  EXPECT_EQ(Run({"golden", "--texts", WriteFile("c", " \n"), "--output", output}), kExitRefused);
  EXPECT_THAT(err_, HasSubstr("text 1"));
  EXPECT_EQ(Run({"golden", "--texts", WriteFile("d", "one\n"), "--output", "/no/such/dir/g.json"}), kExitFile);
  server_.AddFault({.kind = client::FakeFault::Kind::kOtherFingerprint});
  EXPECT_EQ(Run({"golden", "--texts", WriteFile("d", "one\n"), "--output", output}), kExitRefused);
  EXPECT_THAT(err_, HasSubstr("swapped meanwhile"));
  EXPECT_FALSE(std::filesystem::exists(output));
}

TEST_F(SmallCommandsTest, AdminCommandsNeedAServerAndTheirArguments) {
  const std::string gone = client::FakeServer().address();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"load", "--admin", gone, "/dir"}, {"swap", "--admin", gone, "m"}, {"unload", "--admin", gone, "m"},
           {"reload", "--admin", gone}}) {
    EXPECT_EQ(RunBare(command), kExitUnreachable) << command[0];
    EXPECT_THAT(err_, HasSubstr(gone));
  }
  EXPECT_EQ(RunBare({"load"}), kExitUsage);
  EXPECT_EQ(RunBare({"swap"}), kExitUsage);
  EXPECT_EQ(RunBare({"load", "/dir", "--precision", "fp4"}), kExitUsage);
  EXPECT_EQ(RunBare({"unload", "m", "--admin", gone, "--api-key-file", "/no/such/key"}), kExitUsage);
  // An address that serves no admin service.
  EXPECT_EQ(RunBare({"unload", "m", "--admin", server_.address()}), kExitRefused);
}

}  // namespace
}  // namespace attendant::cli
