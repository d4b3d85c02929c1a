#include "server/rpc/embed_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "server/rpc/status_mapping.h"
#include "tests/server/rpc/fake_model.h"

namespace attendant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EmbedSettingsTest : public ::testing::Test {
 protected:
  std::string FieldOfEmbedOptions(const v1::EmbedOptions& options) {
    return FieldOf(ToEmbedSettings(options, model_, limits_).status());
  }

  testing::FakeModel model_;  // trained for 2 dimensions of its 4
  RequestLimits limits_;
};

TEST_F(EmbedSettingsTest, EmptyOptionsAreTheModelsOwn) {
  const auto settings = ToEmbedSettings(v1::EmbedOptions(), model_, limits_);
  ASSERT_TRUE(settings.ok());
  EXPECT_TRUE(settings->spec.pooling.empty());
  EXPECT_TRUE(settings->spec.normalize);
  EXPECT_EQ(settings->spec.output, OutputKind::kPooled);
  EXPECT_EQ(settings->tokenize.truncation, Truncation::kModelDefault);
  EXPECT_FALSE(settings->tokenize.prompt_name.has_value());
  EXPECT_FALSE(settings->tokenize.prompt_text.has_value());
}

TEST_F(EmbedSettingsTest, OptionsAreTakenOverAndPoolingIsSorted) {
  v1::EmbedOptions options;
  options.add_pooling(v1::POOLING_LAST_TOKEN);
  options.add_pooling(v1::POOLING_WEIGHTED_MEAN);
  options.add_pooling(v1::POOLING_MEAN_SQRT_LEN);
  options.add_pooling(v1::POOLING_MEAN);
  options.add_pooling(v1::POOLING_MAX);
  options.add_pooling(v1::POOLING_CLS);
  options.set_normalize(false);
  options.set_prompt_text("");
  options.set_truncation(v1::TRUNCATION_START);
  limits_.max_tokens_per_item = 8;
  const auto settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok());
  EXPECT_THAT(settings->spec.pooling,
              ElementsAre(PoolingMode::kCls, PoolingMode::kMax, PoolingMode::kMean, PoolingMode::kMeanSqrtLen,
                          PoolingMode::kWeightedMean, PoolingMode::kLastToken));
  EXPECT_FALSE(settings->spec.normalize);
  EXPECT_EQ(settings->tokenize.prompt_text, "");
  EXPECT_EQ(settings->tokenize.truncation, Truncation::kStart);
  EXPECT_EQ(settings->tokenize.max_tokens, 8);
}

TEST_F(EmbedSettingsTest, ContradictoryOptionsAreRefused) {
  v1::EmbedOptions twice;
  twice.add_pooling(v1::POOLING_CLS);
  twice.add_pooling(v1::POOLING_CLS);
  EXPECT_EQ(FieldOfEmbedOptions(twice), "options.pooling[1]");
  v1::EmbedOptions unspecified;
  unspecified.add_pooling(v1::POOLING_UNSPECIFIED);
  EXPECT_EQ(FieldOfEmbedOptions(unspecified), "options.pooling[0]");
  v1::EmbedOptions pooled_tokens;
  pooled_tokens.add_pooling(v1::POOLING_CLS);
  pooled_tokens.set_output(v1::OUTPUT_TOKENS);
  EXPECT_EQ(FieldOfEmbedOptions(pooled_tokens), "options.pooling");
  v1::EmbedOptions long_prompt;
  long_prompt.set_prompt_text(std::string(4097, 'p'));
  EXPECT_EQ(FieldOfEmbedOptions(long_prompt), "options.prompt_text");
}

TEST_F(EmbedSettingsTest, UnknownEnumValuesNameTheirField) {
  v1::EmbedOptions options;
  options.set_truncation(static_cast<v1::Truncation>(7));
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.truncation");
  options.set_truncation(v1::TRUNCATION_END);
  options.set_output(static_cast<v1::Output>(-1));
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.output");
  options.set_output(v1::OUTPUT_POOLED);
  options.add_pooling(v1::POOLING_CLS);
  options.add_pooling(static_cast<v1::Pooling>(99));
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.pooling[1]");
}

TEST_F(EmbedSettingsTest, SeveralOutputsKeepTheirOrderAndComeOnce) {
  v1::EmbedOptions options;
  options.set_output(v1::OUTPUT_TOKENS);
  options.add_additional_outputs(v1::OUTPUT_POOLED);
  options.add_pooling(v1::POOLING_CLS);
  auto settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->spec.output, OutputKind::kTokens);
  EXPECT_FALSE(settings->spec.normalize) << "token vectors are as they are unless told otherwise";
  ASSERT_EQ(settings->additional.size(), 1u);
  EXPECT_EQ(settings->additional[0].output, OutputKind::kPooled);
  EXPECT_THAT(settings->additional[0].pooling, ElementsAre(PoolingMode::kCls));
  EXPECT_TRUE(settings->additional[0].normalize);
  EXPECT_EQ(OutputFloats(*settings, model_, {.num_tokens = 3}), 3 * 4 + 4);
  options.set_normalize(true);
  EXPECT_TRUE(ToEmbedSettings(options, model_, limits_)->spec.normalize);
  options.add_additional_outputs(v1::OUTPUT_TOKENS);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.additional_outputs[1]");
  options.set_additional_outputs(1, v1::OUTPUT_UNSPECIFIED);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.additional_outputs[1]");
}

TEST_F(EmbedSettingsTest, TokensBesidePooledVectorsAreAsTheyAre) {
  v1::EmbedOptions options;
  options.set_normalize(true);
  options.add_additional_outputs(v1::OUTPUT_TOKENS);
  options.set_dimensions(2);
  const auto settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok());
  EXPECT_TRUE(settings->spec.normalize);
  EXPECT_EQ(settings->spec.dimensions, 2);
  EXPECT_FALSE(settings->additional[0].normalize);
  EXPECT_EQ(settings->additional[0].dimensions, 0);
}

TEST_F(EmbedSettingsTest, AttentionIsCheckedAgainstTheModel) {
  v1::EmbedOptions options;
  options.mutable_attention()->add_layers(1);
  options.mutable_attention()->add_layers(0);
  options.mutable_attention()->set_head_reduction(v1::HEAD_REDUCTION_MEAN);
  const auto settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok());
  EXPECT_THAT(settings->attention->layers, ElementsAre(0, 1));
  EXPECT_EQ(settings->attention->reduction, HeadReduction::kMean);
  options.mutable_attention()->add_heads(3);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.attention.heads[0]");
}

TEST_F(EmbedSettingsTest, OnlyTrainedDimensionsUnlessTheCallerOrTheServerAllowsOthers) {
  v1::EmbedOptions options;
  options.set_dimensions(2);
  auto settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->spec.dimensions, 2);
  EXPECT_FALSE(settings->untrained_dimensions);
  options.set_dimensions(3);
  const absl::Status refused = ToEmbedSettings(options, model_, limits_).status();
  EXPECT_EQ(FieldOf(refused), "options.dimensions");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("trained for 2"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--allow-untrained-dimensions"));
  options.set_allow_untrained_dimensions(true);
  EXPECT_TRUE(ToEmbedSettings(options, model_, limits_)->untrained_dimensions);
  options.set_allow_untrained_dimensions(false);
  limits_.allow_untrained_dimensions = true;
  EXPECT_TRUE(ToEmbedSettings(options, model_, limits_)->untrained_dimensions);
  options.set_dimensions(4);
  EXPECT_FALSE(ToEmbedSettings(options, model_, limits_)->untrained_dimensions) << "nothing is cut";
  for (const int32_t wrong : {-1, 5, std::numeric_limits<int32_t>::max()}) {
    options.set_dimensions(wrong);
    EXPECT_EQ(FieldOfEmbedOptions(options), "options.dimensions") << wrong;
  }
  options.set_dimensions(2);
  options.set_output(v1::OUTPUT_TOKENS);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.dimensions");
}

TEST_F(EmbedSettingsTest, AnotherPoolingWasNotTrainedFor) {
  v1::EmbedOptions options;
  options.set_dimensions(2);
  options.add_pooling(v1::POOLING_MAX);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.dimensions");
}

TEST_F(EmbedSettingsTest, EncodingsHaveTheirRanges) {
  v1::EmbedOptions options;
  EXPECT_FALSE(ToEmbedSettings(options, model_, limits_)->format.encoding.has_value());
  options.set_encoding(v1::ENCODING_UBINARY);
  EXPECT_EQ(ToEmbedSettings(options, model_, limits_)->format.encoding, VectorEncoding::kUbinary);
  options.set_encoding(v1::ENCODING_INT8);
  auto settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok());
  EXPECT_TRUE(settings->format.ranges_are_the_models);
  EXPECT_EQ(settings->format.ranges.maximum.size(), 4u);
  for (const float low : {-1.0f, -2.0f, 0.0f, 0.5f}) options.mutable_ranges()->add_minimum(low);
  for (const float high : {1.0f, 2.0f, 0.0f, 0.75f}) options.mutable_ranges()->add_maximum(high);
  settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_FALSE(settings->format.ranges_are_the_models);
  EXPECT_THAT(settings->format.ranges.minimum, ElementsAre(-1, -2, 0, 0.5f));
  options.set_output(v1::OUTPUT_TOKENS);
  EXPECT_TRUE(ToEmbedSettings(options, model_, limits_).ok()) << "with ranges, tokens have some, too";
}

TEST_F(EmbedSettingsTest, WrongRangesAreNamed) {
  v1::EmbedOptions options;
  options.set_encoding(static_cast<v1::Encoding>(77));
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.encoding");
  options.set_encoding(v1::ENCODING_FLOAT16);
  options.mutable_ranges();
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.ranges");
  options.set_encoding(v1::ENCODING_UINT8);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.ranges");
  for (int i = 0; i < 4; ++i) {
    options.mutable_ranges()->add_minimum(0);
    options.mutable_ranges()->add_maximum(1);
  }
  EXPECT_EQ(FieldOfEmbedOptions(options), "");
  options.mutable_ranges()->set_minimum(2, 1.5f);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.ranges.minimum[2]");
  for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::lowest()}) {
    options.mutable_ranges()->set_minimum(2, wrong);
    options.mutable_ranges()->set_maximum(2, std::numeric_limits<float>::max());
    EXPECT_EQ(FieldOfEmbedOptions(options), "options.ranges.minimum[2]");
  }
  options.clear_ranges();
  options.set_output(v1::OUTPUT_TOKENS);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.ranges") << "none were measured";
  options.add_additional_outputs(v1::OUTPUT_POOLED);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.additional_outputs");
}

TEST_F(EmbedSettingsTest, VectorsAreWrittenAsAskedFor) {
  const std::vector<float> values = {1, 2, -3, 0, 5, 6, 7, -8};
  v1::Embedding plain;
  SetEmbedding(values, std::nullopt, {}, &plain);
  EXPECT_THAT(plain.shape(), ElementsAre(8));
  EXPECT_THAT(plain.values(), ElementsAre(1, 2, -3, 0, 5, 6, 7, -8));
  EXPECT_TRUE(plain.packed().empty());
  v1::Embedding bits;
  SetEmbedding(values, 2, {.encoding = VectorEncoding::kUbinary}, &bits);
  EXPECT_THAT(bits.shape(), ElementsAre(2, 4));
  EXPECT_THAT(bits.packed(), ElementsAre(static_cast<char>(0b11000000), static_cast<char>(0b11100000)));
  EXPECT_EQ(bits.encoding(), v1::ENCODING_UBINARY);
  EXPECT_TRUE(bits.values().empty());
}

TEST_F(EmbedSettingsTest, SpansAreCutAndNormalisedLikePooledVectors) {
  v1::EmbedOptions options;
  options.set_output(v1::OUTPUT_SPANS);
  options.set_dimensions(2);
  auto settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_TRUE(settings->spec.normalize);
  EXPECT_EQ(settings->spec.dimensions, 2);
  EXPECT_TRUE(Wants(*settings, OutputKind::kSpans));
  EXPECT_FALSE(Wants(*settings, OutputKind::kPooled));
  EXPECT_EQ(OutputFloats(*settings, model_, {.num_tokens = 9, .num_spans = 5}), 5 * 2);
  options.add_pooling(v1::POOLING_MAX);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.pooling");
}

TEST_F(EmbedSettingsTest, WindowsAreForPooledVectorsAlone) {
  v1::EmbedOptions options;
  options.mutable_window()->set_each(true);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.window");
  options.set_truncation(v1::TRUNCATION_WINDOW);
  options.mutable_window()->set_size(8);
  options.mutable_window()->set_overlap(0);
  limits_.max_windows_per_item = 7;
  const auto settings = ToEmbedSettings(options, model_, limits_);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->windows->size, 8);
  EXPECT_EQ(settings->windows->overlap, 0);
  EXPECT_EQ(settings->windows->max_windows, 7);
  EXPECT_TRUE(settings->each_window);
  options.mutable_window()->set_size(-1);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.window.size");
  options.clear_window();
  EXPECT_FALSE(ToEmbedSettings(options, model_, limits_)->windows->overlap.has_value());
  options.mutable_attention();
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.truncation");
  options.clear_attention();
  options.set_output(v1::OUTPUT_TOKENS);
  EXPECT_EQ(FieldOfEmbedOptions(options), "options.truncation");
}

}  // namespace
}  // namespace attendant
