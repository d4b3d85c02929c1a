#include "server/rpc/conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "attendant/v1/embedding.pb.h"
#include "server/models/model_registry.h"
#include "server/rpc/status_mapping.h"
#include "tests/server/rpc/fake_model.h"

namespace attendant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConversionTest : public ::testing::Test {
 protected:
  std::string FieldOfAttention(const v1::GetAttentionRequest& request) {
    return FieldOf(ToAttentionSpec(request, model_.info()).status());
  }
  InputError ErrorOf(const v1::Item& item) { return std::get<InputError>(ToInput(item, limits_)); }

  testing::FakeModel model_;
  RequestLimits limits_;
};

TEST_F(ConversionTest, UnknownEnumValuesNameTheirField) {
  v1::GetAttentionRequest attention;
  attention.set_head_reduction(static_cast<v1::HeadReduction>(9));
  EXPECT_EQ(FieldOfAttention(attention), "head_reduction");
  attention.set_truncation(static_cast<v1::Truncation>(9));
  EXPECT_EQ(FieldOf(ToTokenizeOptions(attention, limits_).status()), "truncation");
  v1::TokenizeRequest tokenize;
  tokenize.set_truncation(static_cast<v1::Truncation>(9));
  EXPECT_EQ(FieldOf(ToTokenizeOptions(tokenize, limits_).status()), "truncation");
  tokenize.set_truncation(v1::TRUNCATION_WINDOW);
  EXPECT_EQ(FieldOf(ToTokenizeOptions(tokenize, limits_).status()), "truncation") << "windows are not one sequence";
}

TEST_F(ConversionTest, InputsAreViewsOfTheItem) {
  v1::Item text;
  text.set_text("abc");
  EXPECT_EQ(std::get<TextInput>(std::get<Input>(ToInput(text, limits_))).text.data(), text.text().data());
  v1::Item pair;
  pair.mutable_pair()->set_first("a");
  pair.mutable_pair()->set_second("b");
  EXPECT_EQ(std::get<PairInput>(std::get<Input>(ToInput(pair, limits_))).second, "b");
  v1::Item tokens;
  tokens.mutable_tokens()->add_input_ids(5);
  tokens.mutable_tokens()->add_token_type_ids(1);
  tokens.mutable_tokens()->set_add_special_tokens(true);
  const IdsInput ids = std::get<IdsInput>(std::get<Input>(ToInput(tokens, limits_)));
  EXPECT_EQ(ids.input_ids.data(), tokens.tokens().input_ids().data());
  EXPECT_EQ(ids.token_type_ids[0], 1);
  EXPECT_TRUE(ids.add_special_tokens);
}

TEST_F(ConversionTest, MissingAndOversizedInputsNameFieldLimitAndFlag) {
  EXPECT_EQ(ErrorOf(v1::Item()).field, "");
  limits_.max_text_bytes = 8;
  v1::Item item;
  item.set_text("123456789");
  EXPECT_EQ(ErrorOf(item).field, "text");
  EXPECT_THAT(std::string(ErrorOf(item).status.message()), HasSubstr("limit of 8 (--max-text-bytes)"));
  item.set_text("12345678");
  EXPECT_TRUE(std::holds_alternative<Input>(ToInput(item, limits_)));
  item.mutable_pair()->set_first("12345");
  item.mutable_pair()->set_second("6789");
  EXPECT_EQ(ErrorOf(item).field, "pair");
  for (int i = 0; i < 3; ++i) item.mutable_tokens()->add_input_ids(i);
  EXPECT_EQ(ErrorOf(item).field, "tokens");
}

TEST_F(ConversionTest, ItemErrorsGetTheirFullPath) {
  const auto path = [](const char* field) {
    return FieldOf(ToItemError({absl::InvalidArgumentError("m"), field}, "items[3]", "options."));
  };
  EXPECT_EQ(path("tokens.input_ids[7]"), "items[3].tokens.input_ids[7]");
  EXPECT_EQ(path(""), "items[3]");
  EXPECT_EQ(path("prompt_name"), "options.prompt_name");
}

TEST_F(ConversionTest, AttentionIndicesAreSortedAndChecked) {
  v1::GetAttentionRequest request;
  request.add_layers(1);
  request.add_layers(0);
  request.add_query_rows(4);
  request.add_query_rows(2);
  const auto spec = ToAttentionSpec(request, model_.info());
  ASSERT_TRUE(spec.ok());
  EXPECT_THAT(spec->layers, ElementsAre(0, 1));
  EXPECT_THAT(spec->query_rows, ElementsAre(2, 4));
  EXPECT_TRUE(CheckQueryRows(request, 5).ok());
  EXPECT_EQ(FieldOf(CheckQueryRows(request, 4)), "query_rows[0]");
  request.add_query_rows(2);
  EXPECT_EQ(FieldOf(CheckQueryRows(request, 5)), "query_rows[2]");
  request.add_heads(-1);
  EXPECT_EQ(FieldOfAttention(request), "heads[0]");
  request.add_layers(2);
  EXPECT_EQ(FieldOfAttention(request), "layers[2]");
}

TEST_F(ConversionTest, ModelsAreDescribedWithTheirLimits) {
  auto loaded = std::make_shared<LoadedModel>();
  loaded->loaded_at = std::chrono::system_clock::time_point(std::chrono::milliseconds(1234));
  loaded->served = std::make_unique<testing::FakeModel>();
  ModelStatus status{.name = "fake", .state = ModelState::kReady, .is_default = true, .reason = "was refused"};
  status.model = loaded;
  v1::Model model;
  SetModel(status, limits_, &model);
  EXPECT_EQ(model.name(), "fake");
  EXPECT_EQ(model.state(), v1::MODEL_STATE_READY);
  EXPECT_EQ(model.state_reason(), "was refused");
  EXPECT_TRUE(model.is_default());
  EXPECT_EQ(model.loaded_unix_ms(), 1234);
  EXPECT_EQ(model.dimension(), 4);
  EXPECT_THAT(model.pooling(), ElementsAre(v1::POOLING_MEAN));
  EXPECT_EQ(model.prompts().at("query"), "w1 w2 ");
  EXPECT_EQ(model.limits().max_tokens_per_item(), testing::kFakeMaxTokens);
  EXPECT_EQ(model.limits().max_items_per_request(), limits_.max_items_per_request);
}

TEST(ToServiceClass, KnowsItsValuesAndNamesOthers) {
  const Caller& anybody = *Caller::Anonymous();
  EXPECT_EQ(*ToServiceClass(v1::SERVICE_CLASS_UNSPECIFIED, anybody, ServiceClass::kBulk), ServiceClass::kBulk);
  EXPECT_EQ(*ToServiceClass(v1::SERVICE_CLASS_INTERACTIVE, anybody, ServiceClass::kBulk), ServiceClass::kInteractive);
  EXPECT_EQ(*ToServiceClass(v1::SERVICE_CLASS_BULK, anybody, ServiceClass::kInteractive), ServiceClass::kBulk);
  const absl::Status unknown = ToServiceClass(7, anybody, ServiceClass::kBulk).status();
  EXPECT_TRUE(absl::IsInvalidArgument(unknown));
  EXPECT_THAT(std::string(unknown.message()), ::testing::HasSubstr("ServiceClass"));
}

TEST_F(ConversionTest, ModelsThatAreNotThereHaveNameAndState) {
  v1::Model model;
  SetModel({.name = "next", .state = ModelState::kFailed, .reason = "no such file"}, limits_, &model);
  EXPECT_EQ(model.name(), "next");
  EXPECT_EQ(model.state(), v1::MODEL_STATE_FAILED);
  EXPECT_EQ(model.state_reason(), "no such file");
  EXPECT_FALSE(model.has_limits());
}

}  // namespace
}  // namespace attendant
