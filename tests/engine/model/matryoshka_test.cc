#include "engine/model/matryoshka.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace attendant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kCard[] =
    "---\nlanguage: en\ntags:\n- sentence-transformers\n- loss:MatryoshkaLoss\n- "
    "loss:MultipleNegativesRankingLoss\n---\n"
    "# A model\n* Loss with these parameters:\n  ```json\n  {\n      \"loss\": \"MultipleNegativesRankingLoss\",\n"
    "      \"matryoshka_dims\": [\n          768,\n          64,\n          256\n      ],\n"
    "      \"matryoshka_weights\": [\n          1,\n          1\n      ]\n  }\n  ```\n";

class MatryoshkaTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void Write(const std::string& file, const std::string& text) const {
    std::ofstream(directory_ + "/" + file, std::ios::binary) << text;
  }
  absl::StatusOr<MatryoshkaConfig> Read() const { return ReadMatryoshka(directory_, directory_); }

  const std::string directory_ = testing::TempDir() + "/matryoshka_test";
};

TEST_F(MatryoshkaTest, ADirectoryThatSaysNothingIsNotTrainedForIt) {
  EXPECT_FALSE(Read()->trained);
  Write("config.json", "{}");
  Write("README.md", "---\ntags:\n- loss:CosineSimilarityLoss\n---\nunlike - loss:MatryoshkaLoss\n");
  EXPECT_FALSE(Read()->trained) << "prose is not the card's head";
}

TEST_F(MatryoshkaTest, ConfigSaysSoWithOrWithoutSizes) {
  Write("config.json", R"({"is_matryoshka": true})");
  EXPECT_TRUE(Read()->trained);
  EXPECT_THAT(Read()->dimensions, IsEmpty());
  Write("config.json", R"({"matryoshka_dimensions": [256, 64, 256]})");
  EXPECT_TRUE(Read()->trained);
  EXPECT_THAT(Read()->dimensions, ElementsAre(64, 256));
}

TEST_F(MatryoshkaTest, ConfigsWordsAreChecked) {
  for (const char* wrong : {R"({"matryoshka_dimensions": 64})", R"({"matryoshka_dimensions": []})",
                            R"({"matryoshka_dimensions": [0]})", R"({"matryoshka_dimensions": ["a"]})"}) {
    Write("config.json", wrong);
    EXPECT_THAT(std::string(Read().status().message()), HasSubstr("matryoshka_dimensions")) << wrong;
  }
  Write("config.json", R"({"is_matryoshka": "yes"})");
  EXPECT_THAT(std::string(Read().status().message()), HasSubstr("is_matryoshka"));
}

TEST_F(MatryoshkaTest, TheCardCountsWhereConfigIsSilent) {
  Write("config.json", "{}");
  Write("README.md", kCard);
  EXPECT_TRUE(Read()->trained);
  EXPECT_THAT(Read()->dimensions, ElementsAre(64, 256, 768));
}

TEST_F(MatryoshkaTest, ABrokenCardIsNoError) {
  EXPECT_FALSE(ParseModelCard("").trained);
  EXPECT_FALSE(ParseModelCard("---\n").trained);
  const std::string head = "---\n- loss:Matryoshka2dLoss\n---\n";
  EXPECT_TRUE(ParseModelCard(head).trained);
  for (const char* rest : {"\"matryoshka_dims\":", "\"matryoshka_dims\": [", "\"matryoshka_dims\": 64]",
                           "\"matryoshka_dims\": [a, -, -5, 99999999999999999999]"}) {
    const MatryoshkaConfig config = ParseModelCard(head + rest);
    EXPECT_TRUE(config.trained);
    EXPECT_THAT(config.dimensions, testing::Not(testing::Contains(testing::Lt(1)))) << rest;
  }
}

}  // namespace
}  // namespace attendant
