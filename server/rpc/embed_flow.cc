#include "server/rpc/embed_flow.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/text_pieces.h"
#include "server/rpc/conversion.h"
#include "server/rpc/embed_settings.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/work_pool.h"

namespace attendant {
namespace {

// Codes of an item that speak of the whole call: its caller has gone or waits in vain, or the server ends.
bool EndsTheCall(absl::StatusCode code) {
  return code == absl::StatusCode::kCancelled || code == absl::StatusCode::kDeadlineExceeded ||
         code == absl::StatusCode::kUnavailable;
}

// An item whose windows come one by one.
struct Windowed {
  std::vector<int32_t> weights;
  std::vector<std::vector<float>> vectors;
  size_t left = 0;
  absl::Status status;  // of the first that failed
};

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
    auto found = FindModel(core_, call_, request_->model());
    if (!found.ok()) return Finish(found.status());
    model_ = *std::move(found);
    // Once for each model that is loaded; not on a thread that reads from connections.
    if (NeedsMeasuring(request_->options(), *model_->served)) {
      return core_.pool->Post([self = shared_from_this()] { self->RunOnModel(); });
    }
    RunOnModel();
  }

 private:
  void RunOnModel() {
    absl::Status status = CheckRequest();
    if (status.ok()) status = TokenizeItems();
    if (status.ok()) status = ReserveResults();
    if (status.ok()) status = ChargeQuota(call_, tokens_, model_->info().max_tokens);
    if (!status.ok() || work_.items.empty()) return Finish(std::move(status));
    Submit();
  }

  absl::Status CheckRequest() {
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
    windowed_.resize(static_cast<size_t>(request_->items_size()));
    Microseconds slowest{0};
    for (int i = 0; i < request_->items_size(); ++i) {
      if (absl::Status status = call_.Check(); !status.ok()) return status;
      const SteadyTime start = std::chrono::steady_clock::now();
      if (absl::Status status = TokenizeItem(i); !status.ok()) return status;
      slowest = std::max(slowest, Since(start));
    }
    outcome_.report.tokenize = slowest;
    remaining_ = static_cast<int64_t>(work_.items.size());
    return absl::OkStatus();
  }

  // What is wrong with the item is in its result; an error is the whole call's.
  absl::Status TokenizeItem(int index) {
    const v1::Item& item = request_->items(index);
    const std::variant<Input, InputError> input = ToInput(item, core_.limits);
    if (const auto* error = std::get_if<InputError>(&input)) return Refuse(index, *error);
    const bool is_first = index < lists_.first_items;
    const TokenizeOptions& options = is_first ? lists_.first : settings_.tokenize;
    if (settings_.windows.has_value()) return AddWindows(index, std::get<Input>(input), options);
    auto tokenized = model_->served->Tokenize(std::get<Input>(input), options);
    if (const auto* error = std::get_if<InputError>(&tokenized)) return Refuse(index, *error);
    const TokenizedItem& tokens = std::get<TokenizedItem>(tokenized);
    auto spans = ReadSpans(item, tokens);
    if (const auto* error = std::get_if<InputError>(&spans)) return Refuse(index, *error);
    if (item.has_text()) {
      const auto dropped_at = DroppedAt(tokens, options.truncation);
      if (dropped_at.has_value()) outcome_.response.mutable_results(index)->set_dropped_at(*dropped_at);
    }
    AddWork(index, std::get<TokenizedItem>(std::move(tokenized)), std::get<std::vector<TokenRange>>(std::move(spans)));
    return absl::OkStatus();
  }

  std::variant<std::vector<TokenRange>, InputError> ReadSpans(const v1::Item& item, const TokenizedItem& tokens) const {
    const auto error = [](const std::string& message) {
      return InputError{absl::InvalidArgumentError(message), "spans"};
    };
    if (!Wants(settings_, OutputKind::kSpans)) {
      if (item.spans().empty()) return std::vector<TokenRange>();
      return error("spans are for OUTPUT_SPANS");
    }
    if (!item.has_text()) return error("OUTPUT_SPANS is for texts");
    if (item.spans().empty()) return error("there are none; OUTPUT_SPANS needs some");
    if (item.spans_size() > core_.limits.max_spans_per_item) {
      return error(absl::StrCat(item.spans_size(), " are more than the limit of ", core_.limits.max_spans_per_item,
                                " (--max-spans-per-item)"));
    }
    std::vector<Offset> spans;
    for (const v1::Span& span : item.spans()) spans.push_back({span.start(), span.end()});
    return SpanTokens(tokens, spans, settings_.tokenize.truncation);
  }

  absl::Status Refuse(int index, const InputError& error) {
    const std::string path = lists_.path ? lists_.path(index) : absl::StrCat("items[", index, "]");
    SetStatus(index, ToItemError(error, path, "options."));
    return absl::OkStatus();
  }

  void SetStatus(int index, const absl::Status& status) {
    *outcome_.response.mutable_results(index)->mutable_status() = ToItemStatus(status);
    ++outcome_.report.items[status.code()];
  }

  void AddWork(int index, TokenizedItem tokenized, std::vector<TokenRange> spans) {
    const int32_t num_tokens = tokenized.sequence.num_tokens();
    if (absl::Status status = CheckAttention(num_tokens); !status.ok()) return SetStatus(index, status);
    v1::EmbedResult* result = outcome_.response.mutable_results(index);
    result->set_tokens_used(num_tokens);
    result->set_tokens_dropped(tokenized.tokens_dropped);
    const ItemShape shape{.num_tokens = num_tokens, .num_spans = static_cast<int32_t>(spans.size())};
    const int64_t bytes = OutputFloats(settings_, *model_->served, shape) * int64_t{sizeof(float)};
    result_bytes_ += bytes;
    answer_bytes_ += bytes;
    tokens_ += num_tokens;
    WorkItem item;
    item.sequence = std::move(tokenized.sequence);
    item.embed = settings_.spec;
    item.additional = settings_.additional;
    item.attention = settings_.attention;
    const auto set_spans = [&spans](EmbedSpec* spec) {
      if (spec->output == OutputKind::kSpans) spec->spans = spans;
    };
    set_spans(&*item.embed);
    for (EmbedSpec& spec : item.additional) set_spans(&spec);
    item.done = [self = shared_from_this(), index](WorkResult work) { self->OnItemDone(index, std::move(work)); };
    work_.items.push_back(std::move(item));
  }

  // A text in windows is several pieces of work with one result.
  absl::Status AddWindows(int index, const Input& input, const TokenizeOptions& options) {
    if (!request_->items(index).spans().empty()) {
      return Refuse(index, {absl::InvalidArgumentError("spans are for OUTPUT_SPANS"), "spans"});
    }
    auto tokenized = model_->served->TokenizeWindows(input, options, *settings_.windows);
    if (const auto* error = std::get_if<InputError>(&tokenized)) return Refuse(index, *error);
    auto& windows = std::get<std::vector<InputWindow>>(tokenized);
    v1::EmbedResult* result = outcome_.response.mutable_results(index);
    Windowed& windowed = windowed_[static_cast<size_t>(index)];
    windowed.vectors.resize(windows.size());
    windowed.left = windows.size();
    EmbedSpec spec = settings_.spec;
    // The mean is normalised, not what it is the mean of.
    if (windows.size() > 1 && !settings_.each_window) spec.normalize = false;
    int64_t tokens = 0;
    for (size_t i = 0; i < windows.size(); ++i) {
      windowed.weights.push_back(windows[i].content_tokens);
      if (windows[i].chars.end > 0) {
        v1::Span* span = result->add_windows();
        span->set_start(windows[i].chars.start);
        span->set_end(windows[i].chars.end);
      }
      tokens += windows[i].sequence.num_tokens();
      WorkItem item;
      item.sequence = std::move(windows[i].sequence);
      item.embed = spec;
      item.done = [self = shared_from_this(), index, i](WorkResult work) {
        self->OnWindowDone(index, i, std::move(work));
      };
      work_.items.push_back(std::move(item));
    }
    result->set_tokens_used(static_cast<int32_t>(tokens));
    const auto count = static_cast<int32_t>(windows.size());
    const int64_t vector_bytes = OutputFloats(settings_, *model_->served, {}) * int64_t{sizeof(float)};
    result_bytes_ += count * vector_bytes;
    answer_bytes_ += (settings_.each_window ? count : 1) * vector_bytes;
    tokens_ += tokens;
    reserved_tokens_ += tokens;
    // At once: a small request of many long texts makes many windows.
    return Reserve(2 * tokens * int64_t{sizeof(int32_t)}, call_.reservation.get());
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
    if (answer_bytes_ > core_.limits.max_message_bytes) {
      return InvalidField("items", absl::StrCat("the answer would take ", answer_bytes_,
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
    const int64_t bytes =
        2 * (result_bytes_ + attention_bytes_) + 2 * (tokens_ - reserved_tokens_) * int64_t{sizeof(int32_t)};
    return Reserve(bytes, call_.reservation.get());
  }

  void Submit() {
    const auto self = shared_from_this();  // all items may be done before SubmitWork returns
    absl::Status status = SubmitWork(core_, call_, model_, std::exchange(work_, {}), tokens_);
    if (!status.ok()) Finish(std::move(status));
  }

  void OnItemDone(int index, WorkResult work) {
    v1::EmbedResult* result = outcome_.response.mutable_results(index);
    if (work.status.ok()) SetOutputs(index, work.output, result);
    absl::Status status;
    {
      const std::lock_guard lock(mutex_);
      EndItem(index, work.status);
      if (!EndWork(work)) return;
      status = std::move(call_status_);
    }
    Finish(std::move(status));
  }

  void OnWindowDone(int index, size_t window, WorkResult work) {
    absl::Status status;
    {
      const std::lock_guard lock(mutex_);
      Windowed& item = windowed_[static_cast<size_t>(index)];
      item.vectors[window] = std::move(work.output.embedding);
      if (item.status.ok()) item.status = work.status;
      if (--item.left == 0) {
        if (item.status.ok()) SetWindows(&item, outcome_.response.mutable_results(index));
        EndItem(index, item.status);
      }
      if (!EndWork(work)) return;
      status = std::move(call_status_);
    }
    Finish(std::move(status));
  }

  // Under the lock.
  void EndItem(int index, const absl::Status& status) {
    if (status.ok()) {
      ++outcome_.report.items[absl::StatusCode::kOk];
      return;
    }
    SetStatus(index, status);
    v1::EmbedResult* result = outcome_.response.mutable_results(index);
    result->clear_tokens_used();
    result->clear_windows();
  }

  // Under the lock; true: it was the last.
  bool EndWork(const WorkResult& work) {
    AddCost(work.cost);
    if (EndsTheCall(work.status.code()) && call_status_.ok()) call_status_ = work.status;
    return --remaining_ == 0;
  }

  void SetWindows(Windowed* item, v1::EmbedResult* result) const {
    std::vector<float> values;
    if (settings_.each_window) {
      for (const std::vector<float>& vector : item->vectors) values.insert(values.end(), vector.begin(), vector.end());
      const auto rows = static_cast<int32_t>(item->vectors.size());
      SetEmbedding(values, rows, settings_.format, result->mutable_embedding());
    } else {
      values = MeanOfWindows(item->vectors, item->weights);
      if (settings_.spec.normalize && item->vectors.size() > 1) NormalizeVector(&values);
      SetEmbedding(values, std::nullopt, settings_.format, result->mutable_embedding());
    }
    item->vectors.clear();
  }

  // Each item's own result: no two threads write to the same.
  void SetOutputs(int index, const SequenceResult& output, v1::EmbedResult* result) const {
    const int32_t num_tokens = result->tokens_used();
    const auto rows_of = [&](const EmbedSpec& spec) -> std::optional<int32_t> {
      if (spec.output == OutputKind::kTokens) return num_tokens;
      if (spec.output == OutputKind::kSpans) return request_->items(index).spans_size();
      return std::nullopt;
    };
    SetEmbedding(output.embedding, rows_of(settings_.spec), settings_.format, result->mutable_embedding());
    for (size_t i = 0; i < settings_.additional.size(); ++i) {
      SetEmbedding(output.additional[i], rows_of(settings_.additional[i]), settings_.format, result->add_additional());
    }
    if (!settings_.attention.has_value()) return;
    v1::Attention* attention = result->mutable_attention();
    const auto shape = AttentionShape(*settings_.attention, model_->info(), num_tokens);
    attention->mutable_shape()->Add(shape.begin(), shape.end());
    attention->mutable_values()->Add(output.attention.begin(), output.attention.end());
  }

  void AddCost(const WorkCost& cost) {
    if (cost.origin == WorkOrigin::kShared) metadata_.set_shared_items(metadata_.shared_items() + 1);
    if (cost.origin == WorkOrigin::kCached) metadata_.set_cached_items(metadata_.cached_items() + 1);
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
  int64_t result_bytes_ = 0;  // of what the engine makes
  int64_t answer_bytes_ = 0;  // of what is answered
  int64_t attention_bytes_ = 0;
  int64_t tokens_ = 0;
  int64_t reserved_tokens_ = 0;  // of them, those whose ids are paid for
  Outcome<v1::EmbedResponse> outcome_;

  // Guards what several callbacks write: the counts, the cost, the call's status, windows. Results are one per item.
  std::mutex mutex_;
  std::vector<Windowed> windowed_;  // by item
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
