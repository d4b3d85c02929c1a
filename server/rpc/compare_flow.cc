#include "server/rpc/compare_flow.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/similarity.h"
#include "server/rpc/compared_vectors.h"
#include "server/rpc/conversion.h"
#include "server/rpc/foreign_answer.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/work_pool.h"

namespace attendant {
namespace {

// Products of two values: a fraction of a millisecond. More is done on the pool, not on a worker.
constexpr int64_t kInlineProducts = 256 * 1024;

std::vector<MeasuredVector> Measure(const std::vector<std::span<const float>>& vectors) {
  return {vectors.begin(), vectors.end()};
}

// What both calls have in common; Call says what differs. Lives until its answer is made.
template <typename Call>
class CompareRun : public std::enable_shared_from_this<CompareRun<Call>> {
 public:
  using Request = typename Call::Request;
  using Response = typename Call::Response;

  CompareRun(const ServiceCore& core, CallContext call, std::shared_ptr<const Request> request, Done<Response> done)
      : core_(core), call_(std::move(call)), request_(std::move(request)), done_(std::move(done)) {}

  void Run() {
    absl::Status status = Prepare();
    if (!status.ok()) return Finish(std::move(status));
    if (vectors_->native() == nullptr) return Compare();
    RunEmbedLists(core_, call_, vectors_->native(), vectors_->lists_to_embed(),
                  [self = this->shared_from_this()](Outcome<v1::EmbedResponse> embedded) {
                    absl::Status taken = self->vectors_->Take(std::move(embedded));
                    if (!taken.ok()) return self->Finish(std::move(taken));
                    self->Compare();
                  });
  }

 private:
  absl::Status Prepare() {
    // All of it on one model, whatever is swapped meanwhile.
    if (call_.models == nullptr) call_.models = std::make_shared<StreamModels>();
    auto model = FindModel(core_, call_, request_->model());
    if (!model.ok()) return model.status();
    model_ = *std::move(model);
    const auto function = ToSimilarityFunction(request_->function(), model_->info());
    if (!function.ok()) return function.status();
    function_ = *function;
    if (absl::Status status = Call::Check(*request_, core_.limits); !status.ok()) return status;
    vectors_.emplace(Call::Lists(*request_, model_->info()),
                     ComparedVectors::Request{.model = request_->model(),
                                              .dimensions = request_->dimensions(),
                                              .allow_untrained_dimensions = request_->allow_untrained_dimensions(),
                                              .include_metadata = request_->include_metadata(),
                                              .service_class = static_cast<int>(request_->service_class())});
    absl::Status status = vectors_->Prepare(core_, *model_->served, call_.reservation.get());
    if (status.ok()) status = Reserve(Call::AnswerBytes(*request_), call_.reservation.get());
    return status;
  }

  void Compare() {
    const int64_t products = Call::Pairs(*request_) * model_->info().dimension;
    if (products <= kInlineProducts) return CompareNow();
    core_.pool->Post([self = this->shared_from_this()] { self->CompareNow(); });
  }

  void CompareNow() {
    absl::Status status = Call::Compare(*vectors_, function_, call_, *request_, &outcome_.response);
    if (status.ok()) SetAnswer();
    Finish(std::move(status));
  }

  void SetAnswer() {
    Response& response = outcome_.response;
    response.set_model(model_->info().name);
    response.set_model_fingerprint(model_->info().fingerprint);
    response.set_function(ToProto(function_));
    response.set_untrained_dimensions(vectors_->embedded().untrained_dimensions());
    if (!request_->include_metadata()) return;
    *response.mutable_metadata() = vectors_->embedded().metadata();
    response.mutable_metadata()->set_total_us(Since(call_.arrival).count());
  }

  void Finish(absl::Status status) {
    if (vectors_.has_value()) outcome_.report = vectors_->report();
    outcome_.status = std::move(status);
    const Done<Response> done = std::move(done_);
    done(std::move(outcome_));
  }

  const ServiceCore& core_;
  CallContext call_;
  const std::shared_ptr<const Request> request_;
  Done<Response> done_;
  ModelRef model_;
  SimilarityFunction function_ = SimilarityFunction::kCosine;
  std::optional<ComparedVectors> vectors_;
  Outcome<Response> outcome_;
};

template <typename Items>
std::vector<const v1::Item*> Pointers(const Items& items) {
  std::vector<const v1::Item*> pointers;
  for (const v1::Item& item : items) pointers.push_back(&item);
  return pointers;
}

// The first of these prompts that the model has, or none: as sentence-transformers' encode_query and encode_document.
void SetDefaultPrompt(const ModelInfo& model, std::initializer_list<const char*> names, v1::EmbedOptions* options) {
  for (const char* name : names) {
    if (model.prompts.count(name) > 0) return options->set_prompt_name(name);
  }
  options->set_prompt_text("");
}

struct RankCall {
  using Request = v1::RankRequest;
  using Response = v1::RankResponse;

  static absl::Status Check(const Request& request, const RequestLimits&) {
    if (!request.has_query()) return InvalidField("query", "there is none");
    if (request.items().empty()) return InvalidField("items", "there are none; give at least one");
    if (request.top_k() >= 0) return absl::OkStatus();
    return InvalidField("top_k", absl::StrCat(request.top_k(), " is less than 0, which means all"));
  }

  static std::array<ComparedList, 2> Lists(const Request& request, const ModelInfo& model) {
    ComparedList query{.items = {&request.query()}, .name = "query", .is_single = true, .prompt_prefix = "query_"};
    ComparedList items{.items = Pointers(request.items()), .name = "items", .prompt_prefix = "item_"};
    if (request.query_prompt_case() == Request::kQueryPromptName) {
      query.options.set_prompt_name(request.query_prompt_name());
    } else if (request.query_prompt_case() == Request::kQueryPromptText) {
      query.options.set_prompt_text(request.query_prompt_text());
    } else {
      SetDefaultPrompt(model, {"query"}, &query.options);
    }
    if (request.item_prompt_case() == Request::kItemPromptName) {
      items.options.set_prompt_name(request.item_prompt_name());
    } else if (request.item_prompt_case() == Request::kItemPromptText) {
      items.options.set_prompt_text(request.item_prompt_text());
    } else {
      SetDefaultPrompt(model, {"document", "passage", "corpus"}, &items.options);
    }
    for (ComparedList* list : {&query, &items}) {
      list->options.set_truncation(request.truncation());
      list->request_bytes = request.ByteSizeLong();
    }
    return {std::move(query), std::move(items)};
  }

  static int64_t Pairs(const Request& request) { return request.items_size(); }
  static int64_t AnswerBytes(const Request& request) {
    constexpr int64_t kResultBytes = 64;  // of a message in memory, and on the wire
    return kResultBytes * request.items_size();
  }

  static absl::Status Compare(const ComparedVectors& vectors, SimilarityFunction function, const CallContext& call,
                              const Request& request, Response* response) {
    const ComparedList& query = vectors.list(0);
    if (!query.failures.empty()) {
      const v1::ItemStatus& status = query.failures[0].status();
      return ToCallStatus(status, status.field());
    }
    if (absl::Status status = call.Check(); !status.ok()) return status;
    const MeasuredVector asked(query.vectors[0]);
    const std::vector<MeasuredVector> items = Measure(vectors.list(1).vectors);
    std::vector<std::pair<float, int32_t>> scores;  // negated, so that the order is that of the pairs
    for (size_t i = 0; i < items.size(); ++i) {
      if (items[i].values.empty()) continue;
      scores.emplace_back(-SimilarityOf(function, asked, items[i]), static_cast<int32_t>(i));
    }
    const auto all = static_cast<int32_t>(scores.size());
    const int32_t kept = request.top_k() == 0 ? all : std::min(request.top_k(), all);
    std::partial_sort(scores.begin(), scores.begin() + kept, scores.end());
    for (int32_t i = 0; i < kept; ++i) {
      v1::RankResult* result = response->add_results();
      result->set_index(scores[static_cast<size_t>(i)].second);
      result->set_score(-scores[static_cast<size_t>(i)].first);
    }
    for (const v1::ItemFailure& failure : vectors.list(1).failures) *response->add_failures() = failure;
    return absl::OkStatus();
  }
};

struct SimilarityCall {
  using Request = v1::SimilarityRequest;
  using Response = v1::SimilarityResponse;

  static int64_t Columns(const Request& request) {
    return request.others().empty() ? request.items_size() : request.others_size();
  }
  static int64_t Pairs(const Request& request) { return request.items_size() * Columns(request); }
  static int64_t AnswerBytes(const Request& request) {
    return 2 * Pairs(request) * int64_t{sizeof(float)};  // as the message, and on the wire
  }

  static absl::Status Check(const Request& request, const RequestLimits& limits) {
    if (request.items().empty()) return InvalidField("items", "there are none; give at least one");
    if (request.others().empty() && request.others_prompt_case() != Request::OTHERS_PROMPT_NOT_SET) {
      return InvalidField("others", "there are none for the prompt that they have");
    }
    const int64_t bytes = Pairs(request) * int64_t{sizeof(float)};
    if (bytes <= limits.max_message_bytes) return absl::OkStatus();
    return InvalidField("items", absl::StrCat("a matrix of ", request.items_size(), " x ", Columns(request), " takes ",
                                              bytes, " bytes, more than the limit of ", limits.max_message_bytes,
                                              " for a message (--max-message-bytes)"));
  }

  static std::array<ComparedList, 2> Lists(const Request& request, const ModelInfo&) {
    ComparedList items{.items = Pointers(request.items()), .name = "items"};
    ComparedList others{.items = Pointers(request.others()), .name = "others", .prompt_prefix = "others_"};
    if (request.prompt_case() == Request::kPromptName) items.options.set_prompt_name(request.prompt_name());
    if (request.prompt_case() == Request::kPromptText) items.options.set_prompt_text(request.prompt_text());
    if (request.others_prompt_case() == Request::kOthersPromptName) {
      others.options.set_prompt_name(request.others_prompt_name());
    }
    if (request.others_prompt_case() == Request::kOthersPromptText) {
      others.options.set_prompt_text(request.others_prompt_text());
    }
    for (ComparedList* list : {&items, &others}) {
      list->options.set_truncation(request.truncation());
      list->request_bytes = request.ByteSizeLong();
    }
    return {std::move(items), std::move(others)};
  }

  static absl::Status Compare(const ComparedVectors& vectors, SimilarityFunction function, const CallContext& call,
                              const Request& request, Response* response) {
    const std::vector<MeasuredVector> rows = Measure(vectors.list(0).vectors);
    const std::vector<MeasuredVector> others = Measure(vectors.list(1).vectors);
    const std::vector<MeasuredVector>& columns = request.others().empty() ? rows : others;
    response->set_rows(static_cast<int32_t>(rows.size()));
    response->set_columns(static_cast<int32_t>(columns.size()));
    auto* values = response->mutable_values();
    values->Reserve(static_cast<int>(rows.size() * columns.size()));
    for (const MeasuredVector& row : rows) {
      if (absl::Status status = call.Check(); !status.ok()) return status;
      for (const MeasuredVector& column : columns) {
        const bool failed = row.values.empty() || column.values.empty();
        values->AddAlreadyReserved(failed ? std::numeric_limits<float>::quiet_NaN()
                                          : SimilarityOf(function, row, column));
      }
    }
    for (const v1::ItemFailure& failure : vectors.list(0).failures) *response->add_failures() = failure;
    for (const v1::ItemFailure& failure : vectors.list(1).failures) *response->add_others_failures() = failure;
    return absl::OkStatus();
  }
};

}  // namespace

void RunRank(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::RankRequest> request,
             Done<v1::RankResponse> done) {
  std::make_shared<CompareRun<RankCall>>(core, std::move(call), std::move(request), std::move(done))->Run();
}

void RunSimilarity(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::SimilarityRequest> request,
                   Done<v1::SimilarityResponse> done) {
  std::make_shared<CompareRun<SimilarityCall>>(core, std::move(call), std::move(request), std::move(done))->Run();
}

}  // namespace attendant
