#include "server/rpc/inference/infer_request.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/inference/tensor_input.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/utf8.h"

namespace attendant {
namespace {

using inference::InferParameter;
using inference::ModelInferRequest;

constexpr std::array<const char*, kNumInferOutputs> kOutputNames = {"sentence_embedding", "last_hidden_state",
                                                                    "attentions", "attention_mask"};
// Of Triton: parameters of a tensor that lies elsewhere than in the message.
constexpr char kSharedMemory[] = "shared_memory_region";

std::string RowPath(const TensorInput& tensor, int64_t row) {
  return absl::StrCat(tensor.Path("contents"), " row ", row);
}

absl::Status NoSharedMemory(const std::string& field) {
  return InvalidField(field, "this server has no shared memory with its callers; send the contents");
}

absl::Status CheckTensors(const ModelInferRequest& request) {
  const int raw = request.raw_input_contents_size();
  if (request.inputs().empty()) {
    return InvalidField("inputs",
                        absl::StrCat("there are none; send ", kTextInput, ", or ", kIdsInput, " and ", kMaskInput));
  }
  if (raw != 0 && raw != request.inputs_size()) {
    return InvalidField("raw_input_contents", absl::StrCat("there are ", raw, " for ", request.inputs_size(),
                                                           " inputs; give one each, or none"));
  }
  for (int i = 0; i < request.inputs_size(); ++i) {
    const auto& input = request.inputs(i);
    const std::string path = absl::StrCat("inputs[", i, "]");
    if (input.parameters().contains(kSharedMemory)) return NoSharedMemory(path + ".parameters");
    if (raw != 0 && input.has_contents()) {
      return InvalidField(path + ".contents", "there are raw_input_contents, too; send one of the two");
    }
  }
  return absl::OkStatus();
}

// By name.
absl::StatusOr<std::map<std::string, TensorInput>> FindInputs(const ModelInferRequest& request) {
  std::map<std::string, TensorInput> inputs;
  for (int i = 0; i < request.inputs_size(); ++i) {
    const TensorInput input(request, i);
    const std::string& name = input.name();
    if (name != kTextInput && name != kIdsInput && name != kMaskInput && name != kTypesInput) {
      return InvalidField(input.Path("name"),
                          absl::StrCat("there is no input ", Quoted(name), "; there are ", kTextInput, ", ", kIdsInput,
                                       ", ", kMaskInput, ", ", kTypesInput));
    }
    if (!inputs.emplace(name, input).second) return InvalidField(input.Path("name"), Quoted(name) + " is given twice");
  }
  const bool has_text = inputs.count(kTextInput) > 0;
  if (has_text && inputs.size() > 1) {
    return InvalidField("inputs", absl::StrCat(kTextInput, " comes alone; the ids are made from it"));
  }
  if (!has_text && inputs.count(kIdsInput) == 0) {
    return InvalidField("inputs", absl::StrCat("there is neither ", kTextInput, " nor ", kIdsInput));
  }
  return inputs;
}

absl::Status AddTexts(const TensorInput& input, const RequestLimits& limits, v1::EmbedRequest* native) {
  const auto texts = input.ReadTexts(limits);
  if (!texts.ok()) return texts.status();
  for (size_t row = 0; row < texts->size(); ++row) {
    const std::string_view text = (*texts)[row];
    if (const auto bad = FirstInvalidUtf8(text); bad.has_value()) {
      return InvalidField(RowPath(input, static_cast<int64_t>(row)), absl::StrCat("not UTF-8 at byte ", *bad));
    }
    native->add_items()->set_text(text.data(), text.size());
  }
  return absl::OkStatus();
}

// How many tokens of a row count: ones, then zeros, as a tokenizer pads at the end.
absl::StatusOr<int64_t> MaskedLength(const TensorInput& input, const TensorInput::Matrix& mask, int64_t row) {
  const int64_t* begin = mask.values.data() + row * mask.columns;
  const int64_t length = std::find(begin, begin + mask.columns, 0) - begin;
  if (length == 0) return InvalidField(RowPath(input, row), "nothing is left of it; the first element is 0");
  for (int64_t i = 0; i < mask.columns; ++i) {
    if (begin[i] == (i < length ? 1 : 0)) continue;
    return InvalidField(RowPath(input, row), absl::StrCat("element ", i, " is ", begin[i],
                                                          ": a row is ones, then zeros ", "(padding at the end)"));
  }
  return length;
}

// A matrix beside input_ids; none: an empty one.
absl::StatusOr<TensorInput::Matrix> ReadBeside(const std::map<std::string, TensorInput>& inputs, const char* name,
                                               const TensorInput::Matrix& ids, const RequestLimits& limits) {
  const auto found = inputs.find(name);
  if (found == inputs.end()) return TensorInput::Matrix{};
  auto matrix = found->second.ReadMatrix(limits);
  if (!matrix.ok() || (matrix->rows == ids.rows && matrix->columns == ids.columns)) return matrix;
  return InvalidField(found->second.Path("shape"),
                      absl::StrCat("[", matrix->rows, ", ", matrix->columns, "] is not the shape of ", kIdsInput, ", [",
                                   ids.rows, ", ", ids.columns, "]"));
}

absl::Status AddRow(const TensorInput& input, const int64_t* values, int64_t length, int64_t row,
                    google::protobuf::RepeatedField<int32_t>* out) {
  out->Reserve(static_cast<int>(length));
  for (int64_t i = 0; i < length; ++i) {
    // What is within an int32 is checked against the vocabulary later.
    if (values[i] < 0 || values[i] > std::numeric_limits<int32_t>::max()) {
      return InvalidField(RowPath(input, row), absl::StrCat("element ", i, " is ", values[i]));
    }
    out->Add(static_cast<int32_t>(values[i]));
  }
  return absl::OkStatus();
}

absl::Status AddIds(const std::map<std::string, TensorInput>& inputs, const RequestLimits& limits, InferPlan* plan) {
  const TensorInput& ids_input = inputs.at(kIdsInput);
  const auto ids = ids_input.ReadMatrix(limits);
  if (!ids.ok()) return ids.status();
  const auto mask = ReadBeside(inputs, kMaskInput, *ids, limits);
  if (!mask.ok()) return mask.status();
  const auto types = ReadBeside(inputs, kTypesInput, *ids, limits);
  if (!types.ok()) return types.status();
  plan->columns = ids->columns;
  for (int64_t row = 0; row < ids->rows; ++row) {
    absl::StatusOr<int64_t> length = ids->columns;
    if (!mask->values.empty()) length = MaskedLength(inputs.at(kMaskInput), *mask, row);
    if (!length.ok()) return length.status();
    v1::TokenSequence* tokens = plan->native->add_items()->mutable_tokens();
    const int64_t begin = row * ids->columns;
    absl::Status status = AddRow(ids_input, ids->values.data() + begin, *length, row, tokens->mutable_input_ids());
    if (status.ok() && !types->values.empty()) {
      status =
          AddRow(inputs.at(kTypesInput), types->values.data() + begin, *length, row, tokens->mutable_token_type_ids());
    }
    if (!status.ok()) return status;
  }
  // An exported encoder would not cut, either.
  plan->native->mutable_options()->set_truncation(v1::TRUNCATION_ERROR);
  return absl::OkStatus();
}

absl::Status ReadOutputs(const ModelInferRequest& request, InferPlan* plan) {
  for (int i = 0; i < request.outputs_size(); ++i) {
    const auto& output = request.outputs(i);
    const std::string path = absl::StrCat("outputs[", i, "]");
    const auto name = std::find(kOutputNames.begin(), kOutputNames.end(), output.name());
    if (name == kOutputNames.end()) {
      return InvalidField(
          path + ".name",
          absl::StrCat("there is no output ", Quoted(output.name()),
                       "; there are sentence_embedding, last_hidden_state, attentions, ", "attention_mask"));
    }
    if (output.parameters().contains(kSharedMemory)) return NoSharedMemory(path + ".parameters");
    if (output.parameters().contains("classification")) {
      return InvalidField(path + ".parameters", "vectors are not classified");
    }
    const auto wanted = static_cast<InferOutput>(name - kOutputNames.begin());
    if (std::count(plan->outputs.begin(), plan->outputs.end(), wanted) > 0) {
      return InvalidField(path + ".name", Quoted(output.name()) + " is asked for twice");
    }
    plan->outputs.push_back(wanted);
  }
  if (plan->outputs.empty()) plan->outputs.push_back(InferOutput::kSentenceEmbedding);
  return absl::OkStatus();
}

// In the native request. Vectors there are in any case; those that nobody asked for are pooled, the smallest.
void SetOutputs(InferPlan* plan) {
  v1::EmbedOptions* options = plan->native->mutable_options();
  if (Wants(*plan, InferOutput::kAttentions)) options->mutable_attention();
  if (!Wants(*plan, InferOutput::kLastHiddenState)) return;
  if (Wants(*plan, InferOutput::kSentenceEmbedding)) {
    options->add_additional_outputs(v1::OUTPUT_TOKENS);
    return;
  }
  options->set_output(v1::OUTPUT_TOKENS);
  options->clear_normalize();
  options->clear_dimensions();
}

absl::StatusOr<int64_t> WholeNumber(const InferParameter& parameter, const std::string& field, int64_t min) {
  std::optional<int64_t> value;
  if (parameter.has_int64_param()) value = parameter.int64_param();
  if (parameter.has_uint64_param()) {
    value = static_cast<int64_t>(std::min<uint64_t>(parameter.uint64_param(), std::numeric_limits<int64_t>::max()));
  }
  if (value.has_value() && *value >= min) return *value;
  return InvalidField(field, absl::StrCat("not a whole number of at least ", min));
}

absl::Status ReadParameter(const std::string& name, const InferParameter& parameter, InferPlan* plan) {
  const std::string field = absl::StrCat("parameters[", Quoted(name), "]");
  v1::EmbedOptions* options = plan->native->mutable_options();
  if (name == "priority") {
    const auto priority = WholeNumber(parameter, field, 0);
    if (!priority.ok()) return priority.status();
    // 1 is the highest, 0 the default.
    if (*priority == 1) plan->native->set_service_class(v1::SERVICE_CLASS_INTERACTIVE);
    if (*priority > 1) plan->native->set_service_class(v1::SERVICE_CLASS_BULK);
  } else if (name == "timeout") {
    const auto timeout = WholeNumber(parameter, field, 0);
    if (!timeout.ok()) return timeout.status();
    if (*timeout > 0) plan->timeout = Microseconds(*timeout);
  } else if (name == "dimensions") {
    const auto dimensions = WholeNumber(parameter, field, 1);
    if (!dimensions.ok()) return dimensions.status();
    // Too many are refused later, with the number that there is.
    options->set_dimensions(static_cast<int32_t>(std::min<int64_t>(*dimensions, std::numeric_limits<int32_t>::max())));
  } else if (name == "allow_untrained_dimensions") {
    if (!parameter.has_bool_param()) return InvalidField(field, "not a bool_param");
    options->set_allow_untrained_dimensions(parameter.bool_param());
  } else if (name == "normalize") {
    if (!parameter.has_bool_param()) return InvalidField(field, "not a bool_param");
    options->set_normalize(parameter.bool_param());
  } else if (name == "prompt_name") {
    if (!parameter.has_string_param()) return InvalidField(field, "not a string_param");
    options->set_prompt_name(parameter.string_param());
  } else if (name == "sequence_id") {
    const bool none = (parameter.has_int64_param() && parameter.int64_param() == 0) ||
                      (parameter.has_uint64_param() && parameter.uint64_param() == 0) ||
                      (parameter.has_string_param() && parameter.string_param().empty());
    if (!none) return InvalidField(field, "the models keep no state; send no sequence");
  }
  return absl::OkStatus();  // others are for other servers
}

}  // namespace

bool Wants(const InferPlan& plan, InferOutput output) {
  return std::count(plan.outputs.begin(), plan.outputs.end(), output) > 0;
}

const char* InferOutputName(InferOutput output) { return kOutputNames[static_cast<size_t>(output)]; }

absl::Status CheckVersion(const std::string& version) {
  if (version.empty() || version == kOnlyVersion) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("there is no version ", Quoted(version), "; each model has version ", kOnlyVersion, " only"));
}

absl::StatusOr<InferPlan> PlanInfer(const RequestLimits& limits, Reservation* reservation,
                                    const ModelInferRequest& request) {
  absl::Status status = CheckVersion(request.model_version());
  if (status.ok()) status = CheckTensors(request);
  // Integers are there twice more, texts once.
  if (status.ok()) status = Reserve(2 * static_cast<int64_t>(request.ByteSizeLong()), reservation);
  if (!status.ok()) return status;
  InferPlan plan;
  plan.native = std::make_shared<v1::EmbedRequest>();
  plan.native->set_model(request.model_name());
  plan.contents = request.raw_input_contents().empty() ? Contents::kTyped : Contents::kRaw;
  if (status = ReadOutputs(request, &plan); !status.ok()) return status;
  for (const auto& [name, parameter] : request.parameters()) {
    if (status = ReadParameter(name, parameter, &plan); !status.ok()) return status;
  }
  SetOutputs(&plan);
  const auto inputs = FindInputs(request);
  if (!inputs.ok()) return inputs.status();
  const auto text = inputs->find(kTextInput);
  status = text == inputs->end() ? AddIds(*inputs, limits, &plan) : AddTexts(text->second, limits, plan.native.get());
  if (!status.ok()) return status;
  return plan;
}

}  // namespace attendant
