#include "server/rpc/tei/tei_flows.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "attendant/v1/embedding.pb.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/foreign_answer.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/tokenize_flow.h"

namespace attendant {
namespace {

constexpr char kInputs[] = "inputs";

bool StartsCodePoint(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

uint32_t CountCodePoints(std::string_view text) {
  return static_cast<uint32_t>(std::count_if(text.begin(), text.end(), StartsCodePoint));
}

// Proto3 enums are open: any number may arrive.
absl::StatusOr<v1::Truncation> ToTruncation(bool truncate, int direction) {
  switch (direction) {
    case tei::v1::TRUNCATION_DIRECTION_RIGHT:
      return truncate ? v1::TRUNCATION_END : v1::TRUNCATION_ERROR;
    case tei::v1::TRUNCATION_DIRECTION_LEFT:
      return truncate ? v1::TRUNCATION_START : v1::TRUNCATION_ERROR;
    default:
      return InvalidField("truncation_direction", absl::StrCat(direction, " is not a value of TruncationDirection"));
  }
}

// What Embed and EmbedAll have in common: one text and how it becomes tokens.
template <typename Request>
absl::StatusOr<std::shared_ptr<v1::EmbedRequest>> ToNative(const CallContext& call, const Request& request) {
  const auto truncation = ToTruncation(request.truncate(), request.truncation_direction());
  if (!truncation.ok()) return truncation.status();
  // The text is there twice from now on.
  absl::Status reserved = Reserve(static_cast<int64_t>(request.inputs().size()), call.reservation.get());
  if (!reserved.ok()) return reserved;
  auto native = std::make_shared<v1::EmbedRequest>();
  native->add_items()->set_text(request.inputs());
  native->mutable_options()->set_truncation(*truncation);
  if (request.has_prompt_name()) native->mutable_options()->set_prompt_name(request.prompt_name());
  return native;
}

uint64_t Nanoseconds(const std::optional<Microseconds>& time) {
  return 1000 * static_cast<uint64_t>(time.value_or(Microseconds(0)).count());
}

void SetMetadata(const CallContext& call, const CallReport& report, std::string_view text, int32_t tokens,
                 tei::v1::Metadata* metadata) {
  metadata->set_compute_chars(CountCodePoints(text));
  metadata->set_compute_tokens(static_cast<uint32_t>(tokens));
  metadata->set_total_time_ns(Nanoseconds(Since(call.arrival)));
  metadata->set_tokenization_time_ns(Nanoseconds(report.tokenize));
  metadata->set_queue_time_ns(Nanoseconds(report.queue));
  metadata->set_inference_time_ns(Nanoseconds(report.compute));
}

template <typename Response>
Outcome<Response> Failed(absl::Status status, CallReport report = {}) {
  return {.status = std::move(status), .response = {}, .report = std::move(report)};
}

// The call's failure or its one item's.
absl::Status StatusOf(const absl::Status& call, const v1::ItemStatus* item) {
  return !call.ok() || item == nullptr ? call : ToCallStatus(*item, kInputs);
}

template <typename Native>
absl::Status StatusOf(const Outcome<Native>& native) {
  const bool failed = native.status.ok() && native.response.results(0).has_status();
  return StatusOf(native.status, failed ? &native.response.results(0).status() : nullptr);
}

// 0 has a meaning of its own in the native message.
absl::Status SetDimensions(uint32_t dimensions, v1::EmbedOptions* options) {
  if (dimensions == 0 || dimensions > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
    return InvalidField("dimensions", absl::StrCat(dimensions, " is not a size that vectors can have"));
  }
  options->set_dimensions(static_cast<int32_t>(dimensions));
  return absl::OkStatus();
}

// The piece of the text that a token comes from.
class TextSlices {
 public:
  explicit TextSlices(std::string_view text) : text_(text) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (StartsCodePoint(text[i])) starts_.push_back(i);
    }
    starts_.push_back(text.size());
  }
  std::string Slice(int32_t start, int32_t end) const {
    const size_t from = starts_[std::min(static_cast<size_t>(start), starts_.size() - 1)];
    const size_t to = starts_[std::min(static_cast<size_t>(end), starts_.size() - 1)];
    return std::string(text_.substr(from, to - from));
  }

 private:
  const std::string_view text_;
  std::vector<size_t> starts_;  // of the code points, and the end
};

// As the model puts it before the text.
std::string PromptOf(const ModelInfo& model, const tei::v1::EncodeRequest& request) {
  const auto prompt = model.prompts.find(request.has_prompt_name() ? request.prompt_name() : model.default_prompt_name);
  return prompt == model.prompts.end() ? "" : prompt->second;
}

void AddTokens(const v1::TokenizeResult& result, const std::string& text, bool with_special,
               tei::v1::EncodeResponse* response) {
  const TextSlices slices(text);
  for (const v1::Token& token : result.tokens()) {
    // A special token that the text itself spells out has a place in it and stays.
    const bool added = token.special() && token.start() == token.end();
    if (added && !with_special) continue;
    tei::v1::SimpleToken* out = response->add_tokens();
    out->set_id(static_cast<uint32_t>(token.id()));
    out->set_special(token.special());
    out->set_text(token.special() ? token.text() : slices.Slice(token.start(), token.end()));
    if (token.special()) continue;
    out->set_start(static_cast<uint32_t>(token.start()));
    out->set_stop(static_cast<uint32_t>(token.end()));
  }
}

// As a WordPiece vocabulary is put together again: pieces that continue a word are glued to it, punctuation and
// contractions to the word before.
void AppendPiece(std::string_view piece, std::string* text) {
  constexpr std::string_view kContinues = "##";
  if (text->empty()) {
    text->append(piece);
    return;
  }
  if (piece.substr(0, kContinues.size()) == kContinues) {
    text->append(piece.substr(kContinues.size()));
    return;
  }
  for (const std::string_view glued : {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"}) {
    if (piece.substr(0, glued.size()) == glued) {
      text->append(piece);
      return;
    }
  }
  text->append(" ").append(piece);
}

uint32_t Clamped(int64_t value) {
  return static_cast<uint32_t>(std::clamp<int64_t>(value, 0, std::numeric_limits<uint32_t>::max()));
}

}  // namespace

tei::v1::InfoResponse DescribeForTei(const ServiceCore& core, const TeiFacts& facts, const ModelInfo& info) {
  const RequestLimits& limits = core.limits;
  tei::v1::InfoResponse response;
  response.set_version(facts.version);
  response.set_model_id(info.name);
  response.set_model_sha(info.fingerprint);
  response.set_model_dtype(info.precision);
  response.set_model_type(tei::v1::MODEL_TYPE_EMBEDDING);
  response.set_max_concurrent_requests(Clamped(facts.max_queued_items));
  response.set_max_input_length(Clamped(
      limits.max_tokens_per_item == 0 ? info.max_tokens : std::min(limits.max_tokens_per_item, info.max_tokens)));
  response.set_max_batch_tokens(Clamped(facts.max_batch_tokens));
  response.set_max_client_batch_size(Clamped(limits.max_items_per_request));
  response.set_tokenization_workers(Clamped(facts.tokenization_workers));
  return response;
}

void RunTeiEmbed(const ServiceCore& core, CallContext call, const std::shared_ptr<const tei::v1::EmbedRequest>& request,
                 Done<tei::v1::EmbedResponse> done) {
  auto native = ToNative(call, *request);
  absl::Status status = native.status();
  if (status.ok() && request->has_dimensions()) {
    status = SetDimensions(request->dimensions(), (*native)->mutable_options());
  }
  if (!status.ok()) return done(Failed<tei::v1::EmbedResponse>(std::move(status)));
  (*native)->mutable_options()->set_normalize(!request->has_normalize() || request->normalize());
  RunEmbed(core, call, *std::move(native),
           [call, request, done = std::move(done)](Outcome<v1::EmbedResponse> embedded) {
             absl::Status failure = RenameField(StatusOf(embedded), "options.dimensions", "dimensions");
             if (!failure.ok()) {
               return done(Failed<tei::v1::EmbedResponse>(std::move(failure), std::move(embedded.report)));
             }
             Outcome<tei::v1::EmbedResponse> outcome{.status = {}, .response = {}, .report = embedded.report};
             v1::EmbedResult& result = *embedded.response.mutable_results(0);
             outcome.response.mutable_embeddings()->Swap(result.mutable_embedding()->mutable_values());
             SetMetadata(call, embedded.report, request->inputs(), result.tokens_used(),
                         outcome.response.mutable_metadata());
             done(std::move(outcome));
           });
}

void RunTeiEmbedAll(const ServiceCore& core, CallContext call,
                    const std::shared_ptr<const tei::v1::EmbedAllRequest>& request,
                    Done<tei::v1::EmbedAllResponse> done) {
  auto native = ToNative(call, *request);
  if (!native.ok()) return done(Failed<tei::v1::EmbedAllResponse>(native.status()));
  (*native)->mutable_options()->set_output(v1::OUTPUT_TOKENS);
  RunEmbed(core, call, *std::move(native),
           [call, request, done = std::move(done)](Outcome<v1::EmbedResponse> embedded) {
             absl::Status failure = StatusOf(embedded);
             if (!failure.ok()) {
               return done(Failed<tei::v1::EmbedAllResponse>(std::move(failure), std::move(embedded.report)));
             }
             Outcome<tei::v1::EmbedAllResponse> outcome{.status = {}, .response = {}, .report = embedded.report};
             const v1::EmbedResult& result = embedded.response.results(0);
             const v1::Embedding& embedding = result.embedding();
             const float* row = embedding.values().data();
             for (int i = 0; i < embedding.shape(0); ++i, row += embedding.shape(1)) {
               outcome.response.add_token_embeddings()->mutable_embeddings()->Add(row, row + embedding.shape(1));
             }
             SetMetadata(call, embedded.report, request->inputs(), result.tokens_used(),
                         outcome.response.mutable_metadata());
             done(std::move(outcome));
           });
}

void RunTeiTokenize(const ServiceCore& core, const CallContext& call,
                    const std::shared_ptr<const tei::v1::EncodeRequest>& request,
                    const Done<tei::v1::EncodeResponse>& done) {
  absl::Status status = Reserve(static_cast<int64_t>(2 * request->inputs().size()), call.reservation.get());
  const auto model = FindModel(core, call, "");
  if (status.ok()) status = model.status();
  if (!status.ok()) return done(Failed<tei::v1::EncodeResponse>(std::move(status)));
  v1::TokenizeRequest native;
  native.add_items()->set_text(request->inputs());
  native.set_truncation(v1::TRUNCATION_ERROR);
  if (request->has_prompt_name()) native.set_prompt_name(request->prompt_name());
  Outcome<v1::TokenizeResponse> tokenized = RunTokenize(core, call, native);
  status = StatusOf(tokenized);
  if (!status.ok()) return done(Failed<tei::v1::EncodeResponse>(std::move(status), std::move(tokenized.report)));
  const v1::TokenizeResult& result = tokenized.response.results(0);
  // The copies of the tokens, and where each code point of the text begins.
  const std::string text = PromptOf((*model)->info(), *request) + request->inputs();
  status = Reserve(result.tokens_size() * kTokenMessageBytes + static_cast<int64_t>(text.size() * sizeof(size_t)),
                   call.reservation.get());
  if (!status.ok()) return done(Failed<tei::v1::EncodeResponse>(std::move(status), std::move(tokenized.report)));
  Outcome<tei::v1::EncodeResponse> outcome{.status = {}, .response = {}, .report = tokenized.report};
  AddTokens(result, text, request->add_special_tokens(), &outcome.response);
  done(std::move(outcome));
}

void RunTeiDecode(const ServiceCore& core, const CallContext& call,
                  const std::shared_ptr<const tei::v1::DecodeRequest>& request,
                  const Done<tei::v1::DecodeResponse>& done) {
  Outcome<tei::v1::DecodeResponse> outcome;
  const auto found = FindModel(core, call, "");
  outcome.status = found.status();
  if (outcome.status.ok() && request->ids().empty()) outcome.status = InvalidField("ids", "there are none");
  // The longest piece of any vocabulary is some tens of bytes; counted is what the text has become.
  std::string text;
  for (int i = 0; outcome.status.ok() && i < request->ids_size(); ++i) {
    const ServedModel& model = *(*found)->served;
    const auto vocab_size = static_cast<uint32_t>(model.info().vocab_size);
    const uint32_t id = request->ids(i);
    if (id >= vocab_size) {
      outcome.status = InvalidField(absl::StrCat("ids[", i, "]"),
                                    absl::StrCat("id ", id, " is not in the vocabulary, 0 to ", vocab_size - 1));
      continue;
    }
    if (request->skip_special_tokens() && model.IsSpecialToken(static_cast<int32_t>(id))) continue;
    const size_t before = text.size();
    AppendPiece(model.TokenText(static_cast<int32_t>(id)), &text);
    outcome.status = Reserve(static_cast<int64_t>(2 * (text.size() - before)), call.reservation.get());
  }
  if (!outcome.status.ok()) return done(std::move(outcome));
  outcome.response.set_text(std::move(text));
  done(std::move(outcome));
}

}  // namespace attendant
