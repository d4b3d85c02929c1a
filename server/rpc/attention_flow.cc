#include "server/rpc/attention_flow.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/conversion.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/tokenize_flow.h"

namespace attendant {
namespace {

using Indices = google::protobuf::RepeatedField<int32_t>;

// The indices asked for, or all of them.
void SetIndices(const std::vector<int32_t>& asked, int32_t count, Indices* out) {
  out->Add(asked.begin(), asked.end());
  for (int32_t i = 0; asked.empty() && i < count; ++i) out->Add(i);
}

class AttentionRun : public std::enable_shared_from_this<AttentionRun> {
 public:
  AttentionRun(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::GetAttentionRequest> request,
               Done<AttentionResponse> done)
      : core_(core), call_(std::move(call)), request_(std::move(request)), done_(std::move(done)) {}

  void Run() {
    absl::Status status = Prepare();
    const int64_t num_tokens = tokenized_.sequence.num_tokens();
    if (status.ok()) status = ChargeQuota(call_, num_tokens, model_->info().max_tokens);
    if (!status.ok()) return Finish(std::move(status));
    WorkItem item;
    item.sequence = std::move(tokenized_.sequence);
    item.attention = std::move(spec_);
    item.done = [self = shared_from_this()](WorkResult work) { self->OnDone(std::move(work)); };
    WorkCall work;
    work.service_class = service_class_;
    work.items.push_back(std::move(item));
    status = SubmitWork(core_, call_, model_, std::move(work), num_tokens);
    if (!status.ok()) Finish(std::move(status));
  }

 private:
  absl::Status Prepare() {
    auto found = FindModel(core_, call_, request_->model());
    if (!found.ok()) return found.status();
    model_ = *std::move(found);
    auto options = ToTokenizeOptions(*request_, core_.limits);
    if (!options.ok()) return options.status();
    auto spec = ToAttentionSpec(*request_, model_->info());
    if (!spec.ok()) return spec.status();
    spec_ = *std::move(spec);
    const auto service_class = ToServiceClass(request_->service_class(), *call_.caller, call_.default_class);
    if (!service_class.ok()) return service_class.status();
    service_class_ = *service_class;
    if (absl::Status status = call_.Check(); !status.ok()) return status;
    if (absl::Status status = Tokenize(*options); !status.ok()) return status;
    const int32_t num_tokens = tokenized_.sequence.num_tokens();
    if (absl::Status status = CheckQueryRows(*request_, num_tokens); !status.ok()) return status;
    if (absl::Status status = model_->served->CheckAttentionSpec(spec_, num_tokens); !status.ok()) return status;
    SetHeader(num_tokens);
    return CheckSize();
  }

  absl::Status Tokenize(const TokenizeOptions& options) {
    const SteadyTime start = std::chrono::steady_clock::now();
    const std::variant<Input, InputError> input = ToInput(request_->item(), core_.limits);
    if (const auto* error = std::get_if<InputError>(&input)) return ToItemError(*error, "item", "");
    auto tokenized = model_->served->Tokenize(std::get<Input>(input), options);
    if (const auto* error = std::get_if<InputError>(&tokenized)) return ToItemError(*error, "item", "");
    tokenized_ = std::get<TokenizedItem>(std::move(tokenized));
    outcome_.report.tokenize = Since(start);
    return absl::OkStatus();
  }

  void SetHeader(int32_t num_tokens) {
    const ModelInfo& model = model_->info();
    v1::AttentionHeader& header = outcome_.response.header;
    header.set_model(model.name);
    header.set_model_fingerprint(model.fingerprint);
    SetIndices(spec_.layers, model.num_layers, header.mutable_layers());
    SetIndices(spec_.heads, model.num_heads, header.mutable_heads());
    SetIndices(spec_.query_rows, num_tokens, header.mutable_query_rows());
    const auto shape = AttentionShape(spec_, model, num_tokens);
    header.mutable_shape()->Add(shape.begin(), shape.end());
    header.set_tokens_dropped(tokenized_.tokens_dropped);
    AddTokens(*model_->served, tokenized_, header.mutable_tokens());
  }

  // Before anything is computed.
  absl::Status CheckSize() {
    const auto& shape = outcome_.response.header.shape();
    const int64_t bytes = int64_t{shape[0]} * shape[1] * shape[2] * shape[3] * int64_t{sizeof(float)};
    if (bytes > core_.limits.max_attention_bytes) {
      return InvalidField(
          "query_rows", absl::StrCat("the attention asked for takes ", bytes, " bytes (", shape[0], " layers x ",
                                     shape[1], " heads x ", shape[2], " query rows x ", shape[3],
                                     " tokens x 4), more than the limit of ", core_.limits.max_attention_bytes,
                                     " (--max-attention-bytes); choose layers, heads or query rows, or reduce heads"));
    }
    const int64_t tokens = int64_t{shape[3]} * kTokenMessageBytes;
    return Reserve(bytes + tokens, call_.reservation.get());
  }

  void OnDone(WorkResult work) {
    outcome_.report.queue = work.cost.queue;
    outcome_.report.compute = work.cost.compute;
    outcome_.response.values = std::move(work.output.attention);
    Finish(std::move(work.status));
  }

  void Finish(absl::Status status) {
    ++outcome_.report.items[status.code()];
    outcome_.status = std::move(status);
    const Done<AttentionResponse> done = std::move(done_);
    done(std::move(outcome_));
  }

  const ServiceCore& core_;
  const CallContext call_;
  const std::shared_ptr<const v1::GetAttentionRequest> request_;
  Done<AttentionResponse> done_;
  ModelRef model_;
  TokenizedItem tokenized_;
  AttentionSpec spec_;
  ServiceClass service_class_ = ServiceClass::kInteractive;
  Outcome<AttentionResponse> outcome_;
};

}  // namespace

void RunAttention(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::GetAttentionRequest> request,
                  Done<AttentionResponse> done) {
  std::make_shared<AttentionRun>(core, std::move(call), std::move(request), std::move(done))->Run();
}

}  // namespace attendant
