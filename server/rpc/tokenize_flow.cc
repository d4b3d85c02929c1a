#include "server/rpc/tokenize_flow.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/conversion.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

absl::Status CheckRequest(const ServiceCore& core, const v1::TokenizeRequest& request) {
  if (request.items().empty()) return InvalidField("items", "there are none; give at least one");
  if (request.items_size() <= core.limits.max_items_per_request) {
    return CheckPromptWork("prompt_text", request.prompt_text().size(), request.items_size(), request.ByteSizeLong());
  }
  return InvalidField("items", absl::StrCat(request.items_size(), " are more than the limit of ",
                                            core.limits.max_items_per_request, " (--max-items-per-request)"));
}

// What the items of one request have in common.
struct Context {
  const ServiceCore& core;
  const CallContext& call;
  const ServedModel& model;
  const TokenizeOptions& options;
};

// Bad items are answered in their result; an error is the whole call's.
absl::Status TokenizeItem(const Context& context, const v1::Item& item, int index,
                          Outcome<v1::TokenizeResponse>* outcome) {
  v1::TokenizeResult* result = outcome->response.add_results();
  const auto refuse = [&](const InputError& error) {
    *result->mutable_status() = ToItemStatus(ToItemError(error, absl::StrCat("items[", index, "]"), ""));
    ++outcome->report.items[error.status.code()];
    return absl::OkStatus();
  };
  const std::variant<Input, InputError> input = ToInput(item, context.core.limits);
  if (const auto* error = std::get_if<InputError>(&input)) return refuse(*error);
  const auto tokenized = context.model.Tokenize(std::get<Input>(input), context.options);
  if (const auto* error = std::get_if<InputError>(&tokenized)) return refuse(*error);
  const TokenizedItem& tokens = std::get<TokenizedItem>(tokenized);
  absl::Status reserved = Reserve(tokens.sequence.num_tokens() * kTokenMessageBytes, context.call.reservation.get());
  if (!reserved.ok()) return reserved;
  AddTokens(context.model, tokens, result->mutable_tokens());
  result->set_tokens_dropped(tokens.tokens_dropped);
  ++outcome->report.items[absl::StatusCode::kOk];
  return absl::OkStatus();
}

}  // namespace

void AddTokens(const ServedModel& model, const TokenizedItem& item,
               google::protobuf::RepeatedPtrField<v1::Token>* out) {
  const TokenSequence& sequence = item.sequence;
  out->Reserve(out->size() + sequence.num_tokens());
  for (size_t i = 0; i < sequence.input_ids.size(); ++i) {
    v1::Token* token = out->Add();
    token->set_id(sequence.input_ids[i]);
    const std::string_view text = model.TokenText(sequence.input_ids[i]);
    token->set_text(text.data(), text.size());
    token->set_special(model.IsSpecialToken(sequence.input_ids[i]));
    token->set_type_id(sequence.token_type_ids[i]);
    token->set_start(item.offsets[i].start);
    token->set_end(item.offsets[i].end);
  }
}

Outcome<v1::TokenizeResponse> RunTokenize(const ServiceCore& core, const CallContext& call,
                                          const v1::TokenizeRequest& request) {
  Outcome<v1::TokenizeResponse> outcome;
  const absl::StatusOr<ModelRef> found = FindModel(core, request.model());
  outcome.status = found.ok() ? CheckRequest(core, request) : found.status();
  if (!outcome.status.ok()) return outcome;
  const ModelRef& model = *found;
  const absl::StatusOr<TokenizeOptions> options = ToTokenizeOptions(request, core.limits);
  outcome.status = options.status();
  if (!outcome.status.ok()) return outcome;
  const Context context{core, call, *model->served, *options};
  Microseconds slowest{0};
  for (int i = 0; outcome.status.ok() && i < request.items_size(); ++i) {
    const SteadyTime start = std::chrono::steady_clock::now();
    outcome.status = call.Check();
    if (!outcome.status.ok()) break;
    outcome.status = TokenizeItem(context, request.items(i), i, &outcome);
    slowest = std::max(slowest, Since(start));
  }
  outcome.report.tokenize = slowest;
  outcome.response.set_model(model->info().name);
  outcome.response.set_model_fingerprint(model->info().fingerprint);
  return outcome;
}

}  // namespace attendant
