#include "client/lib/wire.h"

namespace attendant::client {
namespace {

static_assert(static_cast<int>(Pooling::kMean) == v1::POOLING_MEAN);
static_assert(static_cast<int>(Pooling::kLastToken) == v1::POOLING_LAST_TOKEN);
static_assert(static_cast<int>(Truncation::kError) == v1::TRUNCATION_ERROR);
static_assert(static_cast<int>(Truncation::kWindow) == v1::TRUNCATION_WINDOW);
static_assert(static_cast<int>(Output::kTokens) == v1::OUTPUT_TOKENS);
static_assert(static_cast<int>(Encoding::kUbinary) == v1::ENCODING_UBINARY);
static_assert(static_cast<int>(SimilarityFunction::kManhattan) == v1::SIMILARITY_FUNCTION_MANHATTAN);
static_assert(static_cast<int>(HeadReduction::kMax) == v1::HEAD_REDUCTION_MAX);

template <typename Message>
void SetPrompt(const PromptOptions& prompt, Message* out) {
  if (prompt.prompt_name.has_value()) out->set_prompt_name(*prompt.prompt_name);
  if (prompt.prompt_text.has_value()) out->set_prompt_text(*prompt.prompt_text);
}

template <typename Repeated>
auto ToVector(const Repeated& field) {
  return std::vector<typename Repeated::value_type>(field.begin(), field.end());
}

std::vector<Token> FromWireTokens(const google::protobuf::RepeatedPtrField<v1::Token>& tokens) {
  std::vector<Token> out;
  out.reserve(static_cast<size_t>(tokens.size()));
  for (const v1::Token& token : tokens) {
    out.push_back({token.id(), token.text(), token.special(), token.type_id(), token.start(), token.end()});
  }
  return out;
}

std::vector<ItemFailure> FromWireFailures(const google::protobuf::RepeatedPtrField<v1::ItemFailure>& failures) {
  std::vector<ItemFailure> out;
  for (const v1::ItemFailure& failure : failures) {
    out.push_back({failure.index(), FromWire(failure.status()), failure.status().field()});
  }
  return out;
}

}  // namespace

void ToWire(const Item& item, v1::Item* out) {
  if (const auto* text = std::get_if<std::string>(&item)) {
    out->set_text(*text);
  } else if (const auto* pair = std::get_if<TextPair>(&item)) {
    out->mutable_pair()->set_first(pair->first);
    out->mutable_pair()->set_second(pair->second);
  } else {
    const auto& tokens = std::get<TokenIds>(item);
    v1::TokenSequence* sequence = out->mutable_tokens();
    sequence->mutable_input_ids()->Add(tokens.input_ids.begin(), tokens.input_ids.end());
    sequence->mutable_token_type_ids()->Add(tokens.token_type_ids.begin(), tokens.token_type_ids.end());
    sequence->set_add_special_tokens(tokens.add_special_tokens);
  }
}

void ToWire(const std::vector<const Item*>& items, const EmbedOptions& options, v1::EmbedRequest* out) {
  out->set_model(options.model);
  for (const Item* item : items) ToWire(*item, out->add_items());
  v1::EmbedOptions* wire = out->mutable_options();
  for (const Pooling pooling : options.pooling) wire->add_pooling(static_cast<v1::Pooling>(pooling));
  if (options.normalize.has_value()) wire->set_normalize(*options.normalize);
  SetPrompt(options.prompt, wire);
  wire->set_truncation(static_cast<v1::Truncation>(options.truncation));
  wire->set_output(static_cast<v1::Output>(options.output));
  wire->set_encoding(static_cast<v1::Encoding>(options.encoding));
  wire->set_dimensions(options.dimensions);
  wire->set_allow_untrained_dimensions(options.allow_untrained_dimensions);
  if (options.window.has_value()) {
    v1::WindowOptions* window = wire->mutable_window();
    window->set_size(options.window->size);
    if (options.window->overlap.has_value()) window->set_overlap(*options.window->overlap);
    window->set_each(options.window->each);
  }
  out->set_include_metadata(options.include_metadata);
  out->set_service_class(static_cast<v1::ServiceClass>(options.service_class));
}

void ToWire(const std::vector<const Item*>& items, const TokenizeOptions& options, v1::TokenizeRequest* out) {
  out->set_model(options.model);
  for (const Item* item : items) ToWire(*item, out->add_items());
  SetPrompt(options.prompt, out);
  out->set_truncation(static_cast<v1::Truncation>(options.truncation));
}

void ToWire(const RankOptions& options, v1::RankRequest* out) {
  out->set_model(options.model);
  out->set_top_k(options.top_k);
  out->set_function(static_cast<v1::SimilarityFunction>(options.function));
  const auto& [query_name, query_text] = options.query_prompt;
  if (query_name.has_value()) out->set_query_prompt_name(*query_name);
  if (query_text.has_value()) out->set_query_prompt_text(*query_text);
  const auto& [item_name, item_text] = options.item_prompt;
  if (item_name.has_value()) out->set_item_prompt_name(*item_name);
  if (item_text.has_value()) out->set_item_prompt_text(*item_text);
  out->set_truncation(static_cast<v1::Truncation>(options.truncation));
  out->set_dimensions(options.dimensions);
  out->set_allow_untrained_dimensions(options.allow_untrained_dimensions);
  out->set_service_class(static_cast<v1::ServiceClass>(options.service_class));
}

void ToWire(const SimilarityOptions& options, v1::SimilarityRequest* out) {
  out->set_model(options.model);
  out->set_function(static_cast<v1::SimilarityFunction>(options.function));
  SetPrompt(options.prompt, out);
  const auto& [others_name, others_text] = options.others_prompt;
  if (others_name.has_value()) out->set_others_prompt_name(*others_name);
  if (others_text.has_value()) out->set_others_prompt_text(*others_text);
  out->set_truncation(static_cast<v1::Truncation>(options.truncation));
  out->set_dimensions(options.dimensions);
  out->set_allow_untrained_dimensions(options.allow_untrained_dimensions);
  out->set_service_class(static_cast<v1::ServiceClass>(options.service_class));
}

void ToWire(const Item& item, const AttentionOptions& options, v1::GetAttentionRequest* out) {
  out->set_model(options.model);
  ToWire(item, out->mutable_item());
  out->mutable_layers()->Add(options.layers.begin(), options.layers.end());
  out->mutable_heads()->Add(options.heads.begin(), options.heads.end());
  out->mutable_query_rows()->Add(options.query_rows.begin(), options.query_rows.end());
  out->set_head_reduction(static_cast<v1::HeadReduction>(options.reduction));
  out->set_service_class(static_cast<v1::ServiceClass>(options.service_class));
  SetPrompt(options.prompt, out);
  out->set_truncation(static_cast<v1::Truncation>(options.truncation));
}

absl::Status FromWire(const v1::ItemStatus& status) {
  if (status.code() == 0) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.code()), status.message());
}

EmbedReply FromWire(const v1::EmbedResponse& response) {
  EmbedReply reply;
  reply.model = response.model();
  reply.model_fingerprint = response.model_fingerprint();
  reply.results.reserve(static_cast<size_t>(response.results_size()));
  for (const v1::EmbedResult& result : response.results()) {
    reply.results.push_back({FromWire(result.status()), result.status().field(), ToVector(result.embedding().values()),
                             ToVector(result.embedding().shape()), result.tokens_used(), result.tokens_dropped(),
                             result.embedding().packed(), std::nullopt});
    if (result.has_dropped_at()) reply.results.back().dropped_at = result.dropped_at();
  }
  reply.untrained_dimensions = response.untrained_dimensions();
  if (response.has_metadata()) {
    const v1::CallMetadata& cost = response.metadata();
    reply.metadata = CallMetadata{cost.tokenize_us(), cost.queue_us(),     cost.compute_us(),   cost.total_us(),
                                  cost.batch_items(), cost.batch_tokens(), cost.shared_items(), cost.cached_items()};
  }
  return reply;
}

TokenizeReply FromWire(const v1::TokenizeResponse& response) {
  TokenizeReply reply;
  reply.model = response.model();
  reply.model_fingerprint = response.model_fingerprint();
  for (const v1::TokenizeResult& result : response.results()) {
    reply.results.push_back(
        {FromWire(result.status()), result.status().field(), FromWireTokens(result.tokens()), result.tokens_dropped()});
  }
  return reply;
}

RankReply FromWire(const v1::RankResponse& response) {
  RankReply reply{response.model(), response.model_fingerprint(), {}, FromWireFailures(response.failures())};
  for (const v1::RankResult& result : response.results()) reply.results.push_back({result.index(), result.score()});
  return reply;
}

SimilarityReply FromWire(const v1::SimilarityResponse& response) {
  return {response.model(),
          response.model_fingerprint(),
          response.rows(),
          response.columns(),
          ToVector(response.values()),
          FromWireFailures(response.failures()),
          FromWireFailures(response.others_failures())};
}

ModelInfo FromWire(const v1::Model& model) {
  ModelInfo info;
  info.name = model.name();
  info.fingerprint = model.fingerprint();
  info.architecture = model.architecture();
  info.precision = model.precision();
  info.kernels = model.kernels();
  info.dimension = model.dimension();
  info.hidden_size = model.hidden_size();
  info.num_layers = model.num_layers();
  info.num_heads = model.num_heads();
  info.vocab_size = model.vocab_size();
  info.max_tokens = model.max_tokens();
  for (const int pooling : model.pooling()) info.pooling.push_back(static_cast<Pooling>(pooling));
  info.normalize = model.normalize();
  info.prompts.insert(model.prompts().begin(), model.prompts().end());
  info.default_prompt_name = model.default_prompt_name();
  const v1::Limits& limits = model.limits();
  info.limits = {limits.max_items_per_request(), limits.max_text_bytes(),      limits.max_tokens_per_item(),
                 limits.max_message_bytes(),     limits.max_attention_bytes(), limits.max_in_flight_per_stream()};
  const int state = model.state();
  info.state = v1::ModelState_IsValid(state) ? static_cast<ModelState>(state) : ModelState::kUnknown;
  info.state_reason = model.state_reason();
  info.is_default = model.is_default();
  info.loaded_unix_ms = model.loaded_unix_ms();
  info.matryoshka = model.matryoshka();
  info.matryoshka_dimensions = ToVector(model.matryoshka_dimensions());
  info.similarity = static_cast<SimilarityFunction>(static_cast<int>(model.similarity()));
  return info;
}

AttentionMap FromWire(const v1::AttentionHeader& header) {
  AttentionMap map;
  map.model = header.model();
  map.model_fingerprint = header.model_fingerprint();
  map.tokens = FromWireTokens(header.tokens());
  map.layers = ToVector(header.layers());
  map.heads = ToVector(header.heads());
  map.query_rows = ToVector(header.query_rows());
  map.shape = ToVector(header.shape());
  map.tokens_dropped = header.tokens_dropped();
  return map;
}

}  // namespace attendant::client
