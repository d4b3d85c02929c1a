#include "server/rpc/inference/infer_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "server/rpc/status_mapping.h"

namespace attendant::testing {
namespace {

using inference::ModelInferRequest;
using ::testing::ElementsAre;

class PlanInferTest : public ::testing::Test {
 protected:
  ModelInferRequest::InferInputTensor* Add(const std::string& name, const std::string& datatype,
                                           const std::vector<int64_t>& shape) {
    auto* input = request_.add_inputs();
    input->set_name(name);
    input->set_datatype(datatype);
    input->mutable_shape()->Add(shape.begin(), shape.end());
    return input;
  }
  void AddIds(const std::string& name, const std::vector<int64_t>& shape, const std::vector<int64_t>& values) {
    Add(name, "INT64", shape)->mutable_contents()->mutable_int64_contents()->Add(values.begin(), values.end());
  }
  void AddRawTexts(const std::vector<std::string>& texts) {
    Add("text", "BYTES", {static_cast<int64_t>(texts.size())});
    std::string* raw = request_.add_raw_input_contents();
    for (const std::string& text : texts) {
      const auto size = static_cast<uint32_t>(text.size());
      raw->append(reinterpret_cast<const char*>(&size), sizeof(size)).append(text);
    }
  }
  absl::StatusOr<InferPlan> Plan() { return PlanInfer(limits_, &reservation_, request_); }
  // INVALID_ARGUMENT for this field.
  void ExpectField(const std::string& field) {
    const auto plan = Plan();
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << plan.status();
    EXPECT_EQ(FieldOf(plan.status()), field) << plan.status();
  }

  ByteBudget budget_{64 << 20};
  Reservation reservation_{&budget_};
  RequestLimits limits_;
  ModelInferRequest request_;
};

TEST_F(PlanInferTest, TextsComeRawOrTyped) {
  AddRawTexts({"one", "", "drei"});
  auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->contents, Contents::kRaw);
  ASSERT_EQ(plan->native->items_size(), 3);
  EXPECT_EQ(plan->native->items(2).text(), "drei");
  EXPECT_THAT(plan->outputs, ElementsAre(InferOutput::kSentenceEmbedding));
  request_.Clear();
  Add("text", "BYTES", {1, 1})->mutable_contents()->add_bytes_contents("one");
  plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->contents, Contents::kTyped);
  EXPECT_EQ(plan->native->items(0).text(), "one");
}

TEST_F(PlanInferTest, RawTextsMustEndWhereTheirLengthsSay) {
  AddRawTexts({"one", "two"});
  const std::string whole = request_.raw_input_contents(0);
  for (size_t size = 0; size < whole.size(); ++size) {
    request_.set_raw_input_contents(0, whole.substr(0, size));
    ExpectField("raw_input_contents[0]");
  }
  request_.set_raw_input_contents(0, whole + "x");
  ExpectField("raw_input_contents[0]");
  request_.set_raw_input_contents(0, "\xff\xff\xff\xff" + whole);
  ExpectField("raw_input_contents[0]");
}

TEST_F(PlanInferTest, TextMustBeUtf8) {
  AddRawTexts({"fine", "a\xff"});
  ExpectField("inputs[0].contents row 1");
}

TEST_F(PlanInferTest, TheMaskCutsPaddedRows) {
  AddIds("input_ids", {2, 3}, {5, 6, 7, 8, 0, 0});
  AddIds("attention_mask", {2, 3}, {1, 1, 1, 1, 0, 0});
  AddIds("token_type_ids", {2, 3}, {0, 1, 1, 0, 0, 0});
  const auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->columns, 3);
  EXPECT_THAT(plan->native->items(0).tokens().input_ids(), ElementsAre(5, 6, 7));
  EXPECT_THAT(plan->native->items(0).tokens().token_type_ids(), ElementsAre(0, 1, 1));
  EXPECT_THAT(plan->native->items(1).tokens().input_ids(), ElementsAre(8));
  EXPECT_FALSE(plan->native->items(0).tokens().add_special_tokens());
  EXPECT_EQ(plan->native->options().truncation(), v1::TRUNCATION_ERROR);
}

TEST_F(PlanInferTest, MasksAreOnesThenZeros) {
  for (const std::vector<int64_t>& mask :
       std::vector<std::vector<int64_t>>{{0, 1, 1}, {1, 0, 1}, {0, 0, 0}, {1, 2, 0}, {-1, 0, 0}}) {
    request_.Clear();
    AddIds("input_ids", {1, 3}, {5, 6, 7});
    AddIds("attention_mask", {1, 3}, mask);
    ExpectField("inputs[1].contents row 0");
  }
}

TEST_F(PlanInferTest, RawIntegersOfBothWidths) {
  const int64_t wide[] = {5, 6};
  Add("input_ids", "INT64", {1, 2});
  request_.add_raw_input_contents(wide, sizeof(wide));
  const int32_t narrow[] = {1, 1};
  Add("attention_mask", "INT32", {1, 2});
  request_.add_raw_input_contents(narrow, sizeof(narrow));
  const auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(plan->native->items(0).tokens().input_ids(), ElementsAre(5, 6));
  request_.mutable_inputs(1)->set_datatype("INT64");
  ExpectField("raw_input_contents[1]");
}

TEST_F(PlanInferTest, WrongTensorsAreRefusedByName) {
  struct Case {
    const char* field;
    const char* name;
    const char* datatype;
    std::vector<int64_t> shape;
  };
  const std::vector<Case> cases = {
      {"name", "pixels", "FP32", {1}},
      {"datatype", "text", "FP32", {1}},
      {"datatype", "input_ids", "FP32", {1, 1}},
      {"shape", "text", "BYTES", {1, 2}},
      {"shape", "text", "BYTES", {}},
      {"shape", "text", "BYTES", {0}},
      {"shape", "text", "BYTES", {-1}},
      {"shape", "text", "BYTES", {1025}},
      {"shape", "input_ids", "INT64", {3}},
      {"shape", "input_ids", "INT64", {1, 0}},
      {"shape", "input_ids", "INT64", {1, int64_t{1} << 62}},
      {"contents.bytes_contents", "text", "BYTES", {2}},
      {"contents.int64_contents", "input_ids", "INT64", {1024, 2'000'000'000}},
  };
  for (const Case& wrong : cases) {
    SCOPED_TRACE(::testing::PrintToString(wrong.shape) + wrong.name);
    request_.Clear();
    Add(wrong.name, wrong.datatype, wrong.shape);
    ExpectField(std::string("inputs[0].") + wrong.field);
  }
}

TEST_F(PlanInferTest, IdsAreNotNegativeNorLargerThanAnInt32) {
  for (const int64_t id : {int64_t{-1}, int64_t{1} << 40}) {
    request_.Clear();
    AddIds("input_ids", {1, 1}, {id});
    ExpectField("inputs[0].contents row 0");
  }
}

TEST_F(PlanInferTest, TensorsMustFitTogether) {
  ExpectField("inputs");  // none
  AddIds("attention_mask", {1, 1}, {1});
  ExpectField("inputs");
  AddIds("input_ids", {1, 1}, {1});
  EXPECT_TRUE(Plan().ok());
  AddIds("input_ids", {1, 1}, {1});
  ExpectField("inputs[2].name");
  request_.Clear();
  AddIds("input_ids", {1, 2}, {1, 1});
  AddIds("attention_mask", {2, 1}, {1, 1});
  ExpectField("inputs[1].shape");
  request_.Clear();
  AddRawTexts({"a"});
  Add("input_ids", "INT64", {1, 1});
  request_.add_raw_input_contents();
  ExpectField("inputs");
}

TEST_F(PlanInferTest, ContentsComeOnce) {
  AddRawTexts({"a"});
  request_.add_raw_input_contents("b");
  ExpectField("raw_input_contents");
  request_.Clear();
  AddRawTexts({"a"});
  request_.mutable_inputs(0)->mutable_contents();
  ExpectField("inputs[0].contents");
  request_.Clear();
  (*Add("text", "BYTES", {1})->mutable_parameters())["shared_memory_region"].set_string_param("r");
  ExpectField("inputs[0].parameters");
}

TEST_F(PlanInferTest, OutputsAreChosenOnce) {
  AddRawTexts({"a"});
  request_.add_outputs()->set_name("attentions");
  request_.add_outputs()->set_name("last_hidden_state");
  auto plan = Plan();
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(plan->outputs, ElementsAre(InferOutput::kAttentions, InferOutput::kLastHiddenState));
  request_.add_outputs()->set_name("attentions");
  ExpectField("outputs[2].name");
  request_.mutable_outputs(2)->set_name("logits");
  ExpectField("outputs[2].name");
  request_.mutable_outputs(2)->set_name("sentence_embedding");
  (*request_.mutable_outputs(2)->mutable_parameters())["classification"].set_int64_param(3);
  ExpectField("outputs[2].parameters");
}

TEST_F(PlanInferTest, ParametersBecomeClassDeadlineAndOptions) {
  AddRawTexts({"a"});
  auto& parameters = *request_.mutable_parameters();
  parameters["priority"].set_uint64_param(1);
  parameters["timeout"].set_int64_param(250);
  parameters["dimensions"].set_int64_param(64);
  parameters["normalize"].set_bool_param(false);
  parameters["prompt_name"].set_string_param("query");
  parameters["binary_data_output"].set_bool_param(true);
  parameters["sequence_id"].set_int64_param(0);
  auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->native->service_class(), v1::SERVICE_CLASS_INTERACTIVE);
  EXPECT_EQ(plan->timeout, Microseconds(250));
  EXPECT_EQ(plan->native->options().dimensions(), 64);
  EXPECT_TRUE(plan->native->options().has_normalize());
  EXPECT_EQ(plan->native->options().prompt_name(), "query");
  parameters["priority"].set_int64_param(2);
  parameters["timeout"].set_int64_param(0);
  plan = Plan();
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->native->service_class(), v1::SERVICE_CLASS_BULK);
  EXPECT_FALSE(plan->timeout.has_value());
}

TEST_F(PlanInferTest, ParametersOfTheWrongKindAreRefused) {
  for (const char* name : {"priority", "timeout", "dimensions", "normalize", "prompt_name", "sequence_id"}) {
    request_.Clear();
    AddRawTexts({"a"});
    (*request_.mutable_parameters())[name].set_double_param(1.5);
    ExpectField(std::string("parameters[\"") + name + "\"]");
  }
  request_.Clear();
  AddRawTexts({"a"});
  (*request_.mutable_parameters())["timeout"].set_int64_param(-1);
  ExpectField("parameters[\"timeout\"]");
}

TEST_F(PlanInferTest, ThereIsOneVersion) {
  AddRawTexts({"a"});
  request_.set_model_version("1");
  EXPECT_TRUE(Plan().ok());
  request_.set_model_version("2");
  EXPECT_EQ(Plan().status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace attendant::testing
