#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/client/command_fixture.h"
#include "tests/client/npy_reader.h"

namespace attendant::cli {
namespace {

using client::FakeFault;
using client::FakeVector;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EmbedCommandTest : public CommandTest {
 protected:
  static std::vector<float> Row(const NpyArray<float>& array, size_t row) {
    const auto columns = static_cast<int64_t>(array.shape[1]);
    const auto first = array.values.begin() + static_cast<int64_t>(row) * columns;
    return {first, first + columns};
  }

  static void ExpectNanRow(const NpyArray<float>& array, size_t row) {
    for (const float value : Row(array, row)) EXPECT_TRUE(std::isnan(value)) << "row " << row;
  }
};

TEST_F(EmbedCommandTest, JsonLinesOnStandardOutput) {
  EXPECT_EQ(Run({"embed", "first", "second"}), kExitOk);
  std::istringstream lines(out_);
  std::string line;
  for (const std::string text : {"first", "second"}) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(json::parse(line)["embedding"].get<std::vector<float>>(), FakeVector(text));
    EXPECT_EQ(json::parse(line)["tokens"], 3);
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(EmbedCommandTest, RowsOfNpyAreInInputOrderWhateverTheBatches) {
  std::string content;
  for (int i = 0; i < 500; ++i) content += "{\"text\": \"line " + std::to_string(i) + "\"}\n";
  server_.AddFault({.code = absl::StatusCode::kUnavailable}, 3);
  EXPECT_EQ(Run({"embed", "--input", WriteFile("in.jsonl", content), "--output", Path("out.npy"), "--batch-size", "7"}),
            kExitOk)
      << err_;
  const auto array = ReadNpy<float>(Path("out.npy"));
  EXPECT_EQ(array.dtype, "<f4");
  ASSERT_THAT(array.shape, ElementsAre(500, client::kFakeDimension));
  for (size_t i = 0; i < 500; ++i) EXPECT_EQ(Row(array, i), FakeVector("line " + std::to_string(i)));
  EXPECT_FALSE(std::filesystem::exists(Path("out.npy.partial")));
  EXPECT_LE(server_.largest_batch(), 7);
}

TEST_F(EmbedCommandTest, FailedItemsAreNanRowsAndReportedByLine) {
  const std::string input = WriteFile("in.jsonl",
                                      "{\"text\": \" \"}\n"
                                      "{\"text\": \"good\"}\n"
                                      "\n"
                                      "{\"text\": \n"
                                      "{\"ids\": [101, 5, 102]}\n"
                                      "{\"pair\": [\"a\", \"b\"], \"id\": 9}\n"
                                      "{\"text\": \"a\", \"ids\": []}\n");
  EXPECT_EQ(Run({"embed", "--input", input, "--output", Path("out.npy")}), kExitSomeFailed);
  const auto array = ReadNpy<float>(Path("out.npy"));
  ASSERT_THAT(array.shape, ElementsAre(6, client::kFakeDimension));
  ExpectNanRow(array, 0);
  EXPECT_EQ(Row(array, 1), FakeVector("good"));
  ExpectNanRow(array, 2);
  EXPECT_EQ(Row(array, 3), FakeVector(client::TokenIds{{101, 5, 102}, {}, false}));
  EXPECT_EQ(Row(array, 4), FakeVector(client::TextPair{"a", "b"}));
  ExpectNanRow(array, 5);
  EXPECT_THAT(err_, HasSubstr("in.jsonl:1: INVALID_ARGUMENT: items[0].text is blank"));
  EXPECT_THAT(err_, HasSubstr("in.jsonl:4: INVALID_ARGUMENT: not valid JSON at column 10"));
  EXPECT_THAT(err_, HasSubstr("in.jsonl:7: INVALID_ARGUMENT: the object needs exactly one of"));
  EXPECT_THAT(err_, HasSubstr("3 of 6 items failed"));
}

TEST_F(EmbedCommandTest, WhenEverythingFailsTheRowsStillHaveTheModelsLength) {
  EXPECT_EQ(Run({"embed", "--input", WriteFile("in.txt", "\n\n\n"), "--output", Path("out.npy")}), kExitSomeFailed);
  const auto array = ReadNpy<float>(Path("out.npy"));
  ASSERT_THAT(array.shape, ElementsAre(3, client::kFakeDimension));
  for (size_t i = 0; i < 3; ++i) ExpectNanRow(array, i);
}

TEST_F(EmbedCommandTest, EmptyInputIsAnEmptyArray) {
  EXPECT_EQ(Run({"embed", "--input", WriteFile("in.txt", ""), "--output", Path("out.npy")}), kExitOk) << err_;
  EXPECT_THAT(ReadNpy<float>(Path("out.npy")).shape, ElementsAre(0, client::kFakeDimension));
}

TEST_F(EmbedCommandTest, TextFilesAndStandardInput) {
  EXPECT_EQ(Run({"embed", "--output", Path("a.npy")}, "one\r\ntwo"), kExitOk) << err_;
  const auto array = ReadNpy<float>(Path("a.npy"));
  ASSERT_THAT(array.shape, ElementsAre(2, client::kFakeDimension));
  EXPECT_EQ(Row(array, 0), FakeVector("one"));
  EXPECT_EQ(Row(array, 1), FakeVector("two"));
  EXPECT_EQ(Run({"embed", "--input", "-", "--input-format", "jsonl"}, "{\"ids\": [1]}\n"), kExitOk) << err_;
  EXPECT_THAT(out_, HasSubstr("\"line\": 1"));
}

TEST_F(EmbedCommandTest, PerTokenRowsComeWithOffsets) {
  const std::string input = WriteFile("in.txt", "one\n \nthree\n");
  EXPECT_EQ(Run({"embed", "--per-token", "--input", input, "--output", Path("out.npy")}), kExitSomeFailed);
  EXPECT_THAT(ReadNpy<float>(Path("out.npy")).shape, ElementsAre(4, client::kFakeDimension));
  const auto offsets = ReadNpy<int64_t>(Path("out.offsets.npy"));
  EXPECT_EQ(offsets.dtype, "<i8");
  EXPECT_THAT(offsets.values, ElementsAre(0, 2, 2, 4));
}

TEST_F(EmbedCommandTest, PerTokenJsonLinesNest) {
  EXPECT_EQ(Run({"embed", "--per-token", "x"}), kExitOk);
  const json line = json::parse(out_);
  ASSERT_EQ(line["embedding"].size(), 2u);
  EXPECT_EQ(line["embedding"][1].get<std::vector<float>>(), FakeVector("x"));
}

TEST_F(EmbedCommandTest, ATableOnATerminal) {
  out_is_terminal_ = true;
  EXPECT_EQ(Run({"embed", "first", " "}), kExitSomeFailed);
  EXPECT_THAT(out_, HasSubstr("item  tokens"));
  EXPECT_THAT(out_, HasSubstr("failed: INVALID_ARGUMENT"));
}

TEST_F(EmbedCommandTest, KeepsWhatThereWasWhenTheServerFailsForGood) {
  std::string content;
  for (int i = 0; i < 100; ++i) content += std::to_string(i) + "\n";
  server_.SkipBeforeFaults(4);
  server_.AddFault({.kind = FakeFault::Kind::kBreakStream, .code = absl::StatusCode::kUnimplemented});
  const std::string input = WriteFile("in.txt", content);
  EXPECT_EQ(Run({"embed", "--input", input, "--output", Path("out.npy"), "--batch-size", "5", "--in-flight", "1"}),
            kExitRefused);
  EXPECT_FALSE(std::filesystem::exists(Path("out.npy")));
  EXPECT_THAT(ReadNpy<float>(Path("out.npy.partial")).shape, ElementsAre(20, client::kFakeDimension));
  EXPECT_THAT(err_, HasSubstr("20 rows were kept in"));
}

TEST_F(EmbedCommandTest, AHangingServerIsUnreachable) {
  server_.AddFault({.kind = FakeFault::Kind::kHang});
  EXPECT_EQ(Run({"embed", "x", "--timeout", "0.1"}), kExitUnreachable);
  EXPECT_THAT(err_, HasSubstr("DEADLINE_EXCEEDED"));
}

TEST_F(EmbedCommandTest, MetadataSaysWhatItCost) {
  EXPECT_EQ(Run({"embed", "--metadata", "--output", Path("o.jsonl"), "x", "y"}), kExitOk);
  EXPECT_THAT(err_, HasSubstr("fingerprint f00d"));
  EXPECT_THAT(err_, HasSubstr("compute 0.70 ms"));
  const std::string file = ReadFile(Path("o.jsonl"));
  EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 2);
}

TEST_F(EmbedCommandTest, WrongUsage) {
  EXPECT_EQ(Run({"embed", "--input", Path("absent.txt")}), kExitUsage);
  EXPECT_THAT(err_, HasSubstr("No such file"));
  EXPECT_EQ(Run({"embed", "--input", directory_.string()}), kExitUsage);
  EXPECT_EQ(Run({"embed", "x", "--input", "y"}), kExitUsage);
  EXPECT_EQ(Run({"embed", "x", "--pooling", "median"}), kExitUsage);
  EXPECT_EQ(Run({"embed", "x", "--prompt", "a", "--prompt-name", "b"}), kExitUsage);
  EXPECT_EQ(Run({"embed", "x", "--batch-size", "0"}), kExitUsage);
  EXPECT_EQ(Run({"embed", "x", "--timeout", "-1"}), kExitUsage);
  EXPECT_EQ(Run({"embed", "x", "--output", "/no/such/directory/x.npy"}), kExitFile);
  EXPECT_EQ(RunBare({}), kExitUsage);
  EXPECT_EQ(RunBare({"fly"}), kExitUsage);
  EXPECT_EQ(RunBare({"--help"}), kExitOk);
  EXPECT_THAT(out_, HasSubstr("Exit status"));
}

}  // namespace
}  // namespace attendant::cli
