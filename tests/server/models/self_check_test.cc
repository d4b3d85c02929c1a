#include "server/models/self_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "server/models/golden.h"
#include "tests/server/models/fake_loader.h"

namespace attendant {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::NewLetterModel;
using Tasks = std::span<const SequenceTask>;

class SelfCheckTest : public ::testing::Test {
 protected:
  SelfCheckTest() { std::filesystem::create_directories(directory_); }
  ~SelfCheckTest() override { std::filesystem::remove_all(directory_); }

  ModelSpec Spec() const { return {.name = "m", .directory = directory_}; }

  std::string FailureOf(const testing::Spoiler& spoiler) {
    return std::string(SelfCheck(*NewLetterModel(Spec(), "f", spoiler)).status().message());
  }

  // What the letter model gives for these texts.
  json GoodGolden() {
    json root = {{"format", "attendant-golden-1"},
                 {"precision", "fp32"},
                 {"fingerprint", "f"},
                 {"dimension", 2},
                 {"normalize", true},
                 {"pooling", {"mean"}},
                 {"max_tokens", 128},
                 {"items", json::array()}};
    for (const char* text : {"one", "another"}) {
      TokenSequence sequence;
      for (const char* c = text; *c != 0; ++c) sequence.input_ids.push_back(*c);
      root["items"].push_back({{"text", text}, {"vector", testing::AngleRunner::VectorOf(sequence)}});
    }
    return root;
  }

  void WriteGolden(const json& root) { std::ofstream(directory_ + "/" + kGoldenFile) << root.dump(); }

  const std::string directory_ = ::testing::TempDir() + "self_check_" + std::to_string(getpid());
};

TEST_F(SelfCheckTest, AGoodModelPassesAndSaysWhat) {
  const SelfCheckReport report = SelfCheck(*NewLetterModel(Spec(), "f"));
  EXPECT_TRUE(report.status().ok()) << report.status();
  EXPECT_THAT(report.Summary(), ::testing::AllOf(HasSubstr("finite: 4 vectors of 2 values"), HasSubstr("normalised"),
                                                 HasSubstr("batch-invariant")));
  EXPECT_THAT(report.Table(), HasSubstr("ok"));
}

TEST_F(SelfCheckTest, EachFaultHasItsName) {
  EXPECT_THAT(FailureOf([](Tasks tasks) { tasks[0].result->embedding[1] = NAN; }), HasSubstr("not finite"));
  EXPECT_THAT(FailureOf([](Tasks tasks) { tasks[0].result->embedding.pop_back(); }), HasSubstr("has 1 values, not 2"));
  EXPECT_THAT(FailureOf([](Tasks tasks) { tasks[0].result->embedding = {3, 4}; }), HasSubstr("normalised"));
  EXPECT_THAT(FailureOf([](Tasks tasks) { tasks[0].result->status = absl::InternalError("no numbers"); }),
              HasSubstr("no numbers"));
  EXPECT_THAT(FailureOf([](Tasks tasks) {
                if (tasks.size() == 1) tasks[0].result->embedding = {1, 0};
              }),
              HasSubstr("another vector alone"));
}

TEST_F(SelfCheckTest, GoldenVectorsThatAreMet) {
  WriteGolden(GoodGolden());
  const SelfCheckReport report = SelfCheck(*NewLetterModel(Spec(), "f"));
  EXPECT_TRUE(report.status().ok()) << report.status();
  EXPECT_THAT(report.Summary(), HasSubstr("2 texts, worst cosine 1.000000"));
}

TEST_F(SelfCheckTest, GoldenVectorsThatAreNotMet) {
  json root = GoodGolden();
  root["items"][1]["vector"] = {-1, 0};
  WriteGolden(root);
  const SelfCheckReport report = SelfCheck(*NewLetterModel(Spec(), "f"));
  EXPECT_TRUE(absl::IsFailedPrecondition(report.status()));
  EXPECT_THAT(std::string(report.status().message()), ::testing::AllOf(HasSubstr("items[1]"), HasSubstr("0.99999")));
  EXPECT_THAT(report.Table(), HasSubstr("FAILED"));
}

TEST_F(SelfCheckTest, GoldenFactsOfAnotherModel) {
  json root = GoodGolden();
  root["pooling"] = {"cls"};
  root["max_tokens"] = 64;
  WriteGolden(root);
  EXPECT_THAT(FailureOf({}), ::testing::AllOf(HasSubstr("pooling, max_tokens"), HasSubstr(kGoldenFile)));
}

TEST_F(SelfCheckTest, AGoldenFileThatIsNoneFails) {
  std::ofstream(directory_ + "/" + kGoldenFile) << "{";
  EXPECT_THAT(FailureOf({}), HasSubstr("it is not JSON"));
}

TEST_F(SelfCheckTest, AProbeIsOneRealToken) {
  size_t tokens = 0;
  EXPECT_TRUE(ProbeModel(*NewLetterModel(Spec(), "f", [&](Tasks tasks) {
                tokens = tasks[0].sequence->input_ids.size();
              })).ok());
  EXPECT_EQ(tokens, 1u);
  const auto failing =
      NewLetterModel(Spec(), "f", [](Tasks tasks) { tasks[0].result->status = absl::InternalError("no numbers"); });
  EXPECT_THAT(std::string(ProbeModel(*failing).message()), HasSubstr("no numbers"));
}

// The real engine on a real, tiny model: what the fake cannot show is that the checks hold there.
TEST(SelfCheckOfTheEngine, TinyModelsPass) {
  const std::string models = std::string(ATTENDANT_TESTDATA) + "/models/";
  const EmbedderLoader loader({.embedder = {}, .workers = 1, .clock = &std::chrono::steady_clock::now});
  for (const char* name : {"tiny-mean", "dense-prompt", "wide-heads-bf16", "plain-hf"}) {
    for (const char* precision : {"fp32", "int8"}) {
      const ModelSpec spec{.name = name, .directory = models + name, .precision = precision};
      const auto model = loader.Load(spec, 1);
      ASSERT_TRUE(model.ok()) << model.status();
      const SelfCheckReport report = SelfCheck(**model);
      EXPECT_TRUE(report.status().ok()) << name << " " << precision << ": " << report.status();
      EXPECT_TRUE(ProbeModel(**model).ok());
      const auto bytes = loader.EstimateBytes(spec);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      EXPECT_GT(*bytes, (*model)->info().weights_bytes / 2);
    }
  }
}

}  // namespace
}  // namespace attendant
