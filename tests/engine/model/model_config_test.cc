#include "engine/model/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "engine/model/json_file.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

using testing::HasSubstr;

constexpr const char* kGood =
    R"({"model_type":"bert","vocab_size":100,"hidden_size":12,"num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":7)";

std::string ErrorOf(const std::string& json) {
  const auto config = ParseModelConfig(json, "config.json");
  return config.ok() ? "" : std::string(config.status().message());
}
std::string With(const std::string& more) { return std::string(kGood) + more + "}"; }

TEST(ModelConfig, ReadsWhatIsThereAndDefaultsTheRest) {
  const auto config = ParseModelConfig(With(""), "c");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->head_dim, 4);
  EXPECT_EQ(config->max_position_embeddings, 512);
  EXPECT_EQ(config->hidden_act, kernels::Activation::kGelu);
  EXPECT_EQ(config->positions, PositionKind::kLearned);
}

TEST(ModelConfig, ErrorsNameTheKeyAndWhatWasFound) {
  EXPECT_THAT(ErrorOf("{"), HasSubstr("config.json: not valid JSON"));
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("expected an object, found [1]"));
  EXPECT_THAT(ErrorOf(R"({"model_type":"bert"})"), HasSubstr("\"vocab_size\" is missing"));
  EXPECT_THAT(ErrorOf(R"({"model_type":"gpt2"})"), HasSubstr("model_type \"gpt2\" is not supported"));
  EXPECT_THAT(ErrorOf(With(R"(,"type_vocab_size":"two")")), HasSubstr("expected an integer, found \"two\""));
  EXPECT_THAT(ErrorOf(With(R"(,"type_vocab_size":-1)")), HasSubstr("found -1"));
  EXPECT_THAT(ErrorOf(With(R"(,"type_vocab_size":1e99)")), HasSubstr("type_vocab_size"));
  EXPECT_THAT(ErrorOf(With(R"(,"type_vocab_size":18446744073709551615)")), HasSubstr("type_vocab_size"));
  EXPECT_THAT(ErrorOf(With(R"(,"hidden_act":"mystery")")), HasSubstr("mystery"));
  EXPECT_THAT(ErrorOf(With(R"(,"position_embedding_type":"relative_key")")), HasSubstr("relative_key"));
  EXPECT_THAT(ErrorOf(With(R"(,"is_decoder":true)")), HasSubstr("decoder"));
  EXPECT_THAT(ErrorOf(With(R"(,"layer_norm_eps":-1)")), HasSubstr("layer_norm_eps"));
  EXPECT_THAT(ErrorOf(With(R"(,"num_attention_heads":5)")), HasSubstr("not a multiple"));
}

TEST(ModelConfig, UnknownArchitecturesAreUnimplemented) {
  EXPECT_EQ(ParseModelConfig(R"({"model_type":"mpnet"})", "c").status().code(), absl::StatusCode::kUnimplemented);
}

TEST(SentenceConfig, FollowsTheModelsOwnFiles) {
  const ModelFixture tiny("tiny-mean"), odd("odd-heads-cls"), many("concatenated-f16"), dense("dense-prompt"),
      plain("plain-hf");
  EXPECT_EQ(tiny.sentence.pooling, std::vector<PoolingMode>{PoolingMode::kMean});
  EXPECT_TRUE(tiny.sentence.normalize);
  EXPECT_EQ(tiny.sentence.max_seq_length, 64);
  EXPECT_EQ(tiny.sentence.prompts.at("query"), "query: ");
  EXPECT_EQ(odd.sentence.pooling, std::vector<PoolingMode>{PoolingMode::kCls});
  EXPECT_FALSE(odd.sentence.normalize);
  EXPECT_EQ(many.sentence.pooling.size(), 6u);
  ASSERT_EQ(dense.sentence.dense.size(), 1u);
  EXPECT_EQ(dense.sentence.dense[0].out_features, 10);
  EXPECT_FALSE(dense.sentence.include_prompt);
  EXPECT_EQ(dense.sentence.default_prompt_name, "query");
  EXPECT_EQ(plain.sentence.pooling, std::vector<PoolingMode>{PoolingMode::kMean});
  EXPECT_EQ(plain.sentence.max_seq_length, 80) << "the positions, where no file says less";
}

// A model directory that a test can spoil.
class SentenceConfigFiles : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/sentence_config_test";
    std::filesystem::remove_all(directory_);
    std::filesystem::copy(ModelDir("dense-prompt"), directory_, std::filesystem::copy_options::recursive);
  }
  void Write(const std::string& file, const std::string& text) { std::ofstream(directory_ + "/" + file) << text; }
  std::string Error() {
    const auto config = ReadModelConfig(directory_).value();
    const auto sentence = ReadSentenceConfig(directory_, config);
    return sentence.ok() ? "" : std::string(sentence.status().message());
  }
  std::string directory_;
};

TEST_F(SentenceConfigFiles, ErrorsNameTheFile) {
  EXPECT_EQ(Error(), "");
  Write("1_Pooling/config.json", R"({"word_embedding_dimension":768})");
  EXPECT_THAT(Error(), HasSubstr("1_Pooling/config.json: \"word_embedding_dimension\": expected 32, found 768"));
  Write("1_Pooling/config.json", R"({"pooling_mode_mean_tokens":false})");
  EXPECT_THAT(Error(), HasSubstr("no known pooling mode"));
  Write("1_Pooling/config.json", R"({"pooling_mode":["cls","median"]})");
  EXPECT_THAT(Error(), HasSubstr("not a known mode"));
  Write("1_Pooling/config.json", R"({"pooling_mode":["mean","cls"]})");
  EXPECT_THAT(Error(), HasSubstr("\"in_features\": expected 64, found 32"));
}

TEST_F(SentenceConfigFiles, ModulesMayNotLeaveTheDirectoryOrBeUnknown) {
  Write("modules.json", R"([{"type":"sentence_transformers.models.Pooling","path":"../../etc"}])");
  EXPECT_THAT(Error(), HasSubstr("leaves the model directory"));
  Write("modules.json", R"([{"type":"sentence_transformers.models.CNN","path":""}])");
  EXPECT_THAT(Error(), HasSubstr("models.CNN"));
  Write("modules.json", R"({})");
  EXPECT_THAT(Error(), HasSubstr("expected an array"));
}

TEST_F(SentenceConfigFiles, PromptsAreChecked) {
  Write("config_sentence_transformers.json", R"({"prompts":{"a":"x"},"default_prompt_name":"b"})");
  EXPECT_THAT(Error(), HasSubstr("\"b\" is not in \"prompts\""));
}

TEST_F(SentenceConfigFiles, TheTokenizersMaximumCountsWhereSentenceTransformersIsSilent) {
  Write("sentence_bert_config.json", R"({"max_seq_length":null})");
  Write("tokenizer_config.json", R"({"model_max_length":1000000000000000019884624838656})");
  auto config = ReadModelConfig(directory_).value();
  EXPECT_EQ(ReadSentenceConfig(directory_, config)->max_seq_length, 80);
  Write("tokenizer_config.json", R"({"model_max_length":48})");
  EXPECT_EQ(ReadSentenceConfig(directory_, config)->max_seq_length, 48);
}

TEST(JsonFile, DeepNestingIsRefusedWithoutRecursion) {
  EXPECT_THAT(std::string(ParseJson(std::string(1'000'000, '['), "deep").status().message()),
              HasSubstr("nested deeper"));
}

}  // namespace
}  // namespace attendant
