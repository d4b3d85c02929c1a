#include "server/rpc/embed_flow.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/conversion.h"
#include "server/rpc/embed_settings.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

// Codes of an item that speak of the whole call: its caller has gone or waits in vain, or the server ends.
bool EndsTheCall(absl::StatusCode code) {
  return code == absl::StatusCode::kCancelled || code == absl::StatusCode::kDeadlineExceeded ||
         code == absl::StatusCode::kUnavailable;
}

// Lives until its last item is done: every item's callback holds a reference.
class EmbedRun : public std::enable_shared_from_this<EmbedRun> {
 public:
  EmbedRun(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::EmbedRequest> request, EmbedLists lists,
           Done<v1::EmbedResponse> done)
      : core_(core),
        call_(std::move(call)),
        request_(std::move(request)),
        lists_(std::move(lists)),
        done_(std::move(done)) {}

  void Run() {
    absl::Status status = CheckRequest();
    if (status.ok()) status = TokenizeItems();
    if (status.ok()) status = ReserveResults();
    if (status.ok()) status = ChargeQuota(call_, tokens_, model_->info().max_tokens);
    if (!status.ok() || work_.items.empty()) return Finish(std::move(status));
    Submit();
  }

 private:
  absl::Status CheckRequest() {
    auto found = FindModel(core_, call_, request_->model());
    if (!found.ok()) return found.status();
    model_ = *std::move(found);
    if (request_->items().empty()) return InvalidField("items", "there are none; give at least one");
    const int longest = std::max(lists_.first_items, request_->items_size() - lists_.first_items);
    if (longest > core_.limits.max_items_per_request) {
      return InvalidField("items", absl::StrCat(longest, " are more than the limit of ",
                                                core_.limits.max_items_per_request, " (--max-items-per-request)"));
    }
    auto settings = ToEmbedSettings(request_->options(), *model_->served, core_.limits);
    if (!settings.ok()) return settings.status();
    settings_ = *std::move(settings);
    absl::Status work = CheckPromptWork("options.prompt_text", request_->options().prompt_text().size(),
                                        request_->items_size(), request_->ByteSizeLong());
    if (!work.ok()) return work;
    const auto service_class = ToServiceClass(request_->service_class(), *call_.caller, call_.default_class);
    if (!service_class.ok()) return service_class.status();
    work_.service_class = *service_class;
    return absl::OkStatus();
  }

  absl::Status TokenizeItems() {
    // All results exist before the first callback may write to one of them.
    for (int i = 0; i < request_->items_size(); ++i) outcome_.response.add_results();
    Microseconds slowest{0};
    for (int i = 0; i < request_->items_size(); ++i) {
      if (absl::Status status = call_.Check(); !status.ok()) return status;
      const SteadyTime start = std::chrono::steady_clock::now();
      TokenizeItem(i);
      slowest = std::max(slowest, Since(start));
    }
    outcome_.report.tokenize = slowest;
    remaining_ = static_cast<int64_t>(work_.items.size());
    return absl::OkStatus();
  }

  void TokenizeItem(int index) {
    const std::variant<Input, InputError> input = ToInput(request_->items(index), core_.limits);
    if (const auto* error = std::get_if<InputError>(&input)) return Refuse(index, *error);
    const bool is_first = index < lists_.first_items;
    auto tokenized = model_->served->Tokenize(std::get<Input>(input), is_first ? lists_.first : settings_.tokenize);
    if (const auto* error = std::get_if<InputError>(&tokenized)) return Refuse(index, *error);
    AddWork(index, std::get<TokenizedItem>(std::move(tokenized)));
  }

  void Refuse(int index, const InputError& error) {
    const std::string path = lists_.path ? lists_.path(index) : absl::StrCat("items[", index, "]");
    SetStatus(index, ToItemError(error, path, "options."));
  }

  void SetStatus(int index, const absl::Status& status) {
    *outcome_.response.mutable_results(index)->mutable_status() = ToItemStatus(status);
    ++outcome_.report.items[status.code()];
  }

  void AddWork(int index, TokenizedItem tokenized) {
    const int32_t num_tokens = tokenized.sequence.num_tokens();
    if (absl::Status status = CheckAttention(num_tokens); !status.ok()) return SetStatus(index, status);
    v1::EmbedResult* result = outcome_.response.mutable_results(index);
    result->set_tokens_used(num_tokens);
    result->set_tokens_dropped(tokenized.tokens_dropped);
    result_bytes_ += OutputFloats(settings_, *model_->served, num_tokens) * int64_t{sizeof(float)};
    tokens_ += num_tokens;
    WorkItem item;
    item.sequence = std::move(tokenized.sequence);
    item.embed = settings_.spec;
    item.additional = settings_.additional;
    item.attention = settings_.attention;
    item.done = [self = shared_from_this(), index](WorkResult work) { self->OnItemDone(index, std::move(work)); };
    work_.items.push_back(std::move(item));
  }

  // Of an item of so many tokens.
  absl::Status CheckAttention(int32_t num_tokens) {
    if (!settings_.attention.has_value()) return absl::OkStatus();
    absl::Status status = CheckQueryRows(request_->options().attention(), num_tokens, "options.attention.");
    if (status.ok()) status = model_->served->CheckAttentionSpec(*settings_.attention, num_tokens);
    if (!status.ok()) return status;
    int64_t bytes = sizeof(float);
    for (const int32_t extent : AttentionShape(*settings_.attention, model_->info(), num_tokens)) bytes *= extent;
    attention_bytes_ += bytes;
    return absl::OkStatus();
  }

  // Before anything is computed: can the answer be sent at all, and is there memory for it?
  absl::Status ReserveResults() {
    if (result_bytes_ > core_.limits.max_message_bytes) {
      return InvalidField("items", absl::StrCat("the answer would take ", result_bytes_,
                                                " bytes, more than the limit of ", core_.limits.max_message_bytes,
                                                " for a message (--max-message-bytes); send fewer items per request"));
    }
    if (attention_bytes_ > core_.limits.max_attention_bytes) {
      return InvalidField(
          "options.attention",
          absl::StrCat(
              "the attention asked for takes ", attention_bytes_, " bytes, more than the limit of ",
              core_.limits.max_attention_bytes,
              " (--max-attention-bytes); choose layers, heads or query rows, reduce heads, or send fewer items"));
    }
    // The engine's vector and the message's; the ids of the queued sequences.
    const int64_t bytes = 2 * (result_bytes_ + attention_bytes_) + 2 * tokens_ * int64_t{sizeof(int32_t)};
    return Reserve(bytes, call_.reservation.get());
  }

  void Submit() {
    const auto self = shared_from_this();  // all items may be done before SubmitWork returns
    absl::Status status = SubmitWork(core_, call_, model_, std::exchange(work_, {}), tokens_);
    if (!status.ok()) Finish(std::move(status));
  }

  void OnItemDone(int index, WorkResult work) {
    const bool failed = !work.status.ok();
    v1::EmbedResult* result = outcome_.response.mutable_results(index);
    if (!failed) SetOutputs(work.output, result);
    absl::Status status;
    {
      const std::lock_guard lock(mutex_);
      AddCost(work.cost);
      if (failed) {
        SetStatus(index, work.status);
        result->clear_tokens_used();
      } else {
        ++outcome_.report.items[absl::StatusCode::kOk];
      }
      if (EndsTheCall(work.status.code()) && call_status_.ok()) call_status_ = work.status;
      if (--remaining_ > 0) return;
      status = std::move(call_status_);
    }
    Finish(std::move(status));
  }

  // Each item's own result: no two threads write to the same.
  void SetOutputs(const SequenceResult& output, v1::EmbedResult* result) const {
    const int32_t num_tokens = result->tokens_used();
    SetEmbedding(output.embedding, settings_.spec, num_tokens, settings_.format, result->mutable_embedding());
    for (size_t i = 0; i < settings_.additional.size(); ++i) {
      SetEmbedding(output.additional[i], settings_.additional[i], num_tokens, settings_.format,
                   result->add_additional());
    }
    if (!settings_.attention.has_value()) return;
    v1::Attention* attention = result->mutable_attention();
    const auto shape = AttentionShape(*settings_.attention, model_->info(), num_tokens);
    attention->mutable_shape()->Add(shape.begin(), shape.end());
    attention->mutable_values()->Add(output.attention.begin(), output.attention.end());
  }

  void AddCost(const WorkCost& cost) {
    outcome_.report.queue = std::max(outcome_.report.queue.value_or(Microseconds(0)), cost.queue);
    outcome_.report.compute = std::max(outcome_.report.compute.value_or(Microseconds(0)), cost.compute);
    if (cost.batch_tokens <= metadata_.batch_tokens()) return;
    metadata_.set_batch_tokens(cost.batch_tokens);
    metadata_.set_batch_items(cost.batch_items);
  }

  void Finish(absl::Status status) {
    outcome_.status = std::move(status);
    if (outcome_.status.ok()) {
      outcome_.response.set_model(model_->info().name);
      outcome_.response.set_model_fingerprint(model_->info().fingerprint);
      outcome_.response.set_untrained_dimensions(settings_.untrained_dimensions);
      if (settings_.format.ranges_are_the_models) SetRanges();
      if (request_->include_metadata()) SetMetadata();
    }
    // The callbacks of items that were never submitted refer back to this run.
    work_.items.clear();
    const Done<v1::EmbedResponse> done = std::move(done_);
    done(std::move(outcome_));
  }

  void SetRanges() {
    const QuantizationRanges& ranges = settings_.format.ranges;
    v1::QuantizationRanges* out = outcome_.response.mutable_ranges();
    out->mutable_minimum()->Add(ranges.minimum.begin(), ranges.minimum.end());
    out->mutable_maximum()->Add(ranges.maximum.begin(), ranges.maximum.end());
  }

  void SetMetadata() {
    const CallReport& report = outcome_.report;
    metadata_.set_tokenize_us(report.tokenize.value_or(Microseconds(0)).count());
    metadata_.set_queue_us(report.queue.value_or(Microseconds(0)).count());
    metadata_.set_compute_us(report.compute.value_or(Microseconds(0)).count());
    metadata_.set_total_us(Since(call_.arrival).count());
    *outcome_.response.mutable_metadata() = metadata_;
  }

  const ServiceCore& core_;
  const CallContext call_;
  const std::shared_ptr<const v1::EmbedRequest> request_;
  const EmbedLists lists_;
  Done<v1::EmbedResponse> done_;
  ModelRef model_;
  EmbedSettings settings_;
  WorkCall work_;
  int64_t result_bytes_ = 0;
  int64_t attention_bytes_ = 0;
  int64_t tokens_ = 0;
  Outcome<v1::EmbedResponse> outcome_;

  // Guards what several items' callbacks write: the counts, the cost, the call's status. Results are one per item.
  std::mutex mutex_;
  int64_t remaining_ = 0;
  absl::Status call_status_;
  v1::CallMetadata metadata_;
};

}  // namespace

void RunEmbed(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::EmbedRequest> request,
              Done<v1::EmbedResponse> done) {
  RunEmbedLists(core, std::move(call), std::move(request), {}, std::move(done));
}

void RunEmbedLists(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::EmbedRequest> request,
                   EmbedLists lists, Done<v1::EmbedResponse> done) {
  std::make_shared<EmbedRun>(core, std::move(call), std::move(request), std::move(lists), std::move(done))->Run();
}

}  // namespace attendant
