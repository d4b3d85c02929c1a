#include "server/rpc/conversion.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attendant/v1/embedding.pb.h"
#include "server/models/model_registry.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

using Indices = google::protobuf::RepeatedField<int32_t>;

v1::ModelState ToProto(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return v1::MODEL_STATE_LOADING;
    case ModelState::kReady:
      return v1::MODEL_STATE_READY;
    case ModelState::kDraining:
      return v1::MODEL_STATE_DRAINING;
    case ModelState::kFailed:
      return v1::MODEL_STATE_FAILED;
  }
  return v1::MODEL_STATE_UNSPECIFIED;
}

v1::Pooling ToProto(PoolingMode mode) {
  switch (mode) {
    case PoolingMode::kCls:
      return v1::POOLING_CLS;
    case PoolingMode::kMax:
      return v1::POOLING_MAX;
    case PoolingMode::kMean:
      return v1::POOLING_MEAN;
    case PoolingMode::kMeanSqrtLen:
      return v1::POOLING_MEAN_SQRT_LEN;
    case PoolingMode::kWeightedMean:
      return v1::POOLING_WEIGHTED_MEAN;
    case PoolingMode::kLastToken:
      return v1::POOLING_LAST_TOKEN;
  }
  return v1::POOLING_UNSPECIFIED;
}

absl::Status UnknownValue(std::string_view field, int value, const char* type) {
  return InvalidField(field, absl::StrCat(value, " is not a value of ", type));
}

absl::StatusOr<Truncation> ToTruncation(int value, std::string_view field) {
  switch (value) {
    case v1::TRUNCATION_UNSPECIFIED:
      return Truncation::kModelDefault;
    case v1::TRUNCATION_ERROR:
      return Truncation::kError;
    case v1::TRUNCATION_END:
      return Truncation::kEnd;
    case v1::TRUNCATION_START:
      return Truncation::kStart;
    case v1::TRUNCATION_WINDOW:
      return Truncation::kWindow;
    default:
      return UnknownValue(field, value, "Truncation");
  }
}

// The three messages with a prompt and a truncation share nothing but the fields' names.
template <typename Message>
absl::StatusOr<TokenizeOptions> ReadTokenizeOptions(const Message& message, const RequestLimits& limits,
                                                    const std::string& prefix) {
  const absl::StatusOr<Truncation> truncation = ToTruncation(message.truncation(), prefix + "truncation");
  if (!truncation.ok()) return truncation.status();
  if (message.prompt_text().size() > static_cast<size_t>(limits.max_prompt_bytes)) {
    return InvalidField(prefix + "prompt_text",
                        absl::StrCat(message.prompt_text().size(), " bytes are more than the limit of ",
                                     limits.max_prompt_bytes, " (--max-prompt-bytes)"));
  }
  TokenizeOptions options;
  options.truncation = *truncation;
  options.max_tokens = limits.max_tokens_per_item;
  if (message.prompt_case() == Message::kPromptName) options.prompt_name = message.prompt_name();
  if (message.prompt_case() == Message::kPromptText) options.prompt_text = message.prompt_text();
  return options;
}

absl::StatusOr<TokenizeOptions> WithoutWindows(absl::StatusOr<TokenizeOptions> options) {
  if (!options.ok() || options->truncation != Truncation::kWindow) return options;
  return InvalidField("truncation", "TRUNCATION_WINDOW is for vectors: Embed, Rank and Similarity");
}

// Sorted, each within 0..count-1, none twice. what: "layers of the model".
absl::StatusOr<std::vector<int32_t>> ReadIndices(const Indices& indices, const std::string& field, int32_t count,
                                                 const char* what) {
  std::vector<bool> seen(static_cast<size_t>(count), false);
  for (int i = 0; i < indices.size(); ++i) {
    const std::string path = absl::StrCat(field, "[", i, "]");
    const int32_t index = indices[i];
    if (index < 0 || index >= count) {
      return InvalidField(path, absl::StrCat(index, " is not one of the ", count, " ", what, ", counted from 0"));
    }
    if (seen[static_cast<size_t>(index)]) return InvalidField(path, absl::StrCat(index, " is given twice"));
    seen[static_cast<size_t>(index)] = true;
  }
  std::vector<int32_t> sorted(indices.begin(), indices.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

// The two messages that choose attention share nothing but the fields' names.
template <typename Message>
absl::StatusOr<AttentionSpec> ReadAttentionSpec(const Message& message, const ModelInfo& model,
                                                const std::string& prefix) {
  AttentionSpec spec;
  auto layers = ReadIndices(message.layers(), prefix + "layers", model.num_layers, "layers of the model");
  if (!layers.ok()) return layers.status();
  auto heads = ReadIndices(message.heads(), prefix + "heads", model.num_heads, "heads of a layer");
  if (!heads.ok()) return heads.status();
  spec.layers = *std::move(layers);
  spec.heads = *std::move(heads);
  switch (static_cast<int>(message.head_reduction())) {
    case v1::HEAD_REDUCTION_UNSPECIFIED:
    case v1::HEAD_REDUCTION_NONE:
      spec.reduction = HeadReduction::kNone;
      break;
    case v1::HEAD_REDUCTION_MEAN:
      spec.reduction = HeadReduction::kMean;
      break;
    case v1::HEAD_REDUCTION_MAX:
      spec.reduction = HeadReduction::kMax;
      break;
    default:
      return UnknownValue(prefix + "head_reduction", message.head_reduction(), "HeadReduction");
  }
  spec.query_rows.assign(message.query_rows().begin(), message.query_rows().end());
  std::sort(spec.query_rows.begin(), spec.query_rows.end());
  return spec;
}

std::optional<InputError> TooLarge(int64_t bytes, const RequestLimits& limits, const char* field) {
  if (bytes <= limits.max_text_bytes) return std::nullopt;
  return InputError{absl::InvalidArgumentError(absl::StrCat(bytes, " bytes are more than the limit of ",
                                                            limits.max_text_bytes, " (--max-text-bytes)")),
                    field};
}

}  // namespace

absl::StatusOr<TokenizeOptions> ToTokenizeOptions(const v1::TokenizeRequest& request, const RequestLimits& limits) {
  return WithoutWindows(ReadTokenizeOptions(request, limits, ""));
}

absl::StatusOr<TokenizeOptions> ToTokenizeOptions(const v1::GetAttentionRequest& request, const RequestLimits& limits) {
  return WithoutWindows(ReadTokenizeOptions(request, limits, ""));
}

absl::StatusOr<TokenizeOptions> ToTokenizeOptions(const v1::EmbedOptions& options, const RequestLimits& limits) {
  return ReadTokenizeOptions(options, limits, "options.");
}

absl::Status CheckPromptWork(const std::string& field, size_t prompt_bytes, int items, size_t request_bytes) {
  // Ordinary text has a token in four bytes, the densest one in two: below a hundred times the ordinary work together.
  constexpr size_t kMaxWorkPerByte = 32;
  const size_t work = prompt_bytes * static_cast<size_t>(items);
  if (work <= kMaxWorkPerByte * request_bytes) return absl::OkStatus();
  return InvalidField(
      field, absl::StrCat("with ", items, " items it makes ", work, " bytes of text, more than ", kMaxWorkPerByte,
                          " times the request's ", request_bytes, "; use a shorter prompt, or fewer items at a time"));
}

std::variant<Input, InputError> ToInput(const v1::Item& item, const RequestLimits& limits) {
  switch (item.input_case()) {
    case v1::Item::kText: {
      if (auto error = TooLarge(static_cast<int64_t>(item.text().size()), limits, "text")) return *error;
      return TextInput{item.text()};
    }
    case v1::Item::kPair: {
      const v1::TextPair& pair = item.pair();
      const auto bytes = static_cast<int64_t>(pair.first().size() + pair.second().size());
      if (auto error = TooLarge(bytes, limits, "pair")) return *error;
      return PairInput{pair.first(), pair.second()};
    }
    case v1::Item::kTokens: {
      const v1::TokenSequence& tokens = item.tokens();
      const int64_t bytes = 4 * int64_t{std::max(tokens.input_ids_size(), tokens.token_type_ids_size())};
      if (auto error = TooLarge(bytes, limits, "tokens")) return *error;
      return IdsInput{{tokens.input_ids().data(), static_cast<size_t>(tokens.input_ids_size())},
                      {tokens.token_type_ids().data(), static_cast<size_t>(tokens.token_type_ids_size())},
                      tokens.add_special_tokens()};
    }
    case v1::Item::kVector:
      return InputError{absl::InvalidArgumentError("a vector is embedded already; Rank and Similarity take one"),
                        "vector"};
    default:
      return InputError{absl::InvalidArgumentError("no input; set text, pair or tokens"), ""};
  }
}

absl::Status ToItemError(const InputError& error, const std::string& item_path, const std::string& options_path) {
  const absl::string_view message = error.status.message();
  const bool of_options =
      error.field == "prompt_name" || error.field == "prompt_text" || error.field.rfind("window.", 0) == 0;
  const std::string field = of_options            ? options_path + error.field
                            : error.field.empty() ? item_path
                                                  : absl::StrCat(item_path, ".", error.field);
  return InvalidField(field, std::string_view(message.data(), message.size()));
}

absl::StatusOr<AttentionSpec> ToAttentionSpec(const v1::GetAttentionRequest& request, const ModelInfo& model) {
  return ReadAttentionSpec(request, model, "");
}

absl::StatusOr<AttentionSpec> ToAttentionSpec(const v1::AttentionSelection& selection, const ModelInfo& model,
                                              const std::string& prefix) {
  return ReadAttentionSpec(selection, model, prefix);
}

absl::Status CheckQueryRows(const v1::GetAttentionRequest& request, int32_t num_tokens) {
  return ReadIndices(request.query_rows(), "query_rows", num_tokens, "tokens of the item").status();
}

absl::Status CheckQueryRows(const v1::AttentionSelection& selection, int32_t num_tokens, const std::string& prefix) {
  return ReadIndices(selection.query_rows(), prefix + "query_rows", num_tokens, "tokens of the item").status();
}

std::array<int32_t, 4> AttentionShape(const AttentionSpec& spec, const ModelInfo& model, int32_t num_tokens) {
  const auto count = [](const std::vector<int32_t>& asked, int32_t all) {
    return asked.empty() ? all : static_cast<int32_t>(asked.size());
  };
  return {count(spec.layers, model.num_layers),
          spec.reduction == HeadReduction::kNone ? count(spec.heads, model.num_heads) : 1,
          count(spec.query_rows, num_tokens), num_tokens};
}

absl::StatusOr<SimilarityFunction> ToSimilarityFunction(int value, const ModelInfo& model) {
  switch (value) {
    case v1::SIMILARITY_FUNCTION_UNSPECIFIED:
      return model.similarity;
    case v1::SIMILARITY_FUNCTION_COSINE:
      return SimilarityFunction::kCosine;
    case v1::SIMILARITY_FUNCTION_DOT:
      return SimilarityFunction::kDot;
    case v1::SIMILARITY_FUNCTION_EUCLIDEAN:
      return SimilarityFunction::kEuclidean;
    case v1::SIMILARITY_FUNCTION_MANHATTAN:
      return SimilarityFunction::kManhattan;
    default:
      return UnknownValue("function", value, "SimilarityFunction");
  }
}

v1::SimilarityFunction ToProto(SimilarityFunction function) {
  switch (function) {
    case SimilarityFunction::kCosine:
      return v1::SIMILARITY_FUNCTION_COSINE;
    case SimilarityFunction::kDot:
      return v1::SIMILARITY_FUNCTION_DOT;
    case SimilarityFunction::kEuclidean:
      return v1::SIMILARITY_FUNCTION_EUCLIDEAN;
    case SimilarityFunction::kManhattan:
      return v1::SIMILARITY_FUNCTION_MANHATTAN;
  }
  return v1::SIMILARITY_FUNCTION_UNSPECIFIED;
}

absl::StatusOr<ServiceClass> ToServiceClass(int value, const Caller& caller, ServiceClass if_unspecified) {
  switch (value) {
    case v1::SERVICE_CLASS_UNSPECIFIED:
      return caller.ChooseClass(std::nullopt, if_unspecified);
    case v1::SERVICE_CLASS_INTERACTIVE:
      return caller.ChooseClass(ServiceClass::kInteractive, if_unspecified);
    case v1::SERVICE_CLASS_BULK:
      return caller.ChooseClass(ServiceClass::kBulk, if_unspecified);
    default:
      return UnknownValue("service_class", value, "ServiceClass");
  }
}

void SetModel(const ModelStatus& status, const RequestLimits& limits, v1::Model* message) {
  message->set_name(status.name);
  message->set_state(ToProto(status.state));
  message->set_state_reason(status.reason);
  message->set_is_default(status.is_default);
  if (status.model == nullptr) return;
  const ModelInfo& model = status.model->info();
  message->set_loaded_unix_ms(
      std::chrono::duration_cast<std::chrono::milliseconds>(status.model->loaded_at.time_since_epoch()).count());
  message->set_fingerprint(model.fingerprint);
  message->set_architecture(model.architecture);
  message->set_precision(model.precision);
  message->set_kernels(model.kernels);
  message->set_dimension(model.dimension);
  message->set_hidden_size(model.hidden_size);
  message->set_num_layers(model.num_layers);
  message->set_num_heads(model.num_heads);
  message->set_vocab_size(model.vocab_size);
  message->set_max_tokens(model.max_tokens);
  for (const PoolingMode mode : model.pooling) message->add_pooling(ToProto(mode));
  message->set_normalize(model.normalize);
  for (const auto& [name, text] : model.prompts) (*message->mutable_prompts())[name] = text;
  message->set_default_prompt_name(model.default_prompt_name);
  message->set_similarity(ToProto(model.similarity));
  message->set_matryoshka(model.matryoshka);
  message->mutable_matryoshka_dimensions()->Add(model.matryoshka_dimensions.begin(), model.matryoshka_dimensions.end());
  v1::Limits* out = message->mutable_limits();
  out->set_max_items_per_request(limits.max_items_per_request);
  out->set_max_text_bytes(limits.max_text_bytes);
  out->set_max_tokens_per_item(limits.max_tokens_per_item == 0 ? model.max_tokens : limits.max_tokens_per_item);
  out->set_max_message_bytes(limits.max_message_bytes);
  out->set_max_attention_bytes(limits.max_attention_bytes);
  out->set_max_in_flight_per_stream(limits.max_in_flight_per_stream);
}

}  // namespace attendant
