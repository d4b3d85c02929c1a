#include "server/rpc/inference/infer_flow.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attendant/v1/embedding.pb.h"
#include "server/rpc/attention_flow.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/foreign_answer.h"
#include "server/rpc/inference/infer_request.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/work_pool.h"

namespace attendant {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;

// Lives until its last step is done: each step's callback holds a reference.
class InferRun : public std::enable_shared_from_this<InferRun> {
 public:
  InferRun(const ServiceCore& core, CallContext call, std::shared_ptr<const ModelInferRequest> request,
           Done<ModelInferResponse> done)
      : core_(core), call_(std::move(call)), request_(std::move(request)), done_(std::move(done)) {}

  void Run() {
    auto plan = PlanInfer(core_.limits, call_.reservation.get(), *request_);
    if (!plan.ok()) return Finish(plan.status());
    plan_ = *std::move(plan);
    if (plan_.timeout.has_value() && *plan_.timeout < call_.deadline - call_.arrival) {
      call_.deadline = call_.arrival + *plan_.timeout;
    }
    // All steps on one model, whatever is swapped meanwhile.
    if (call_.models == nullptr) call_.models = std::make_shared<StreamModels>();
    const auto model = FindModel(core_, call_, request_->model_name());
    if (!model.ok()) return Finish(model.status());
    if (absl::Status status = CheckDimensions((*model)->info().dimension); !status.ok()) return Finish(status);
    outcome_.response.set_model_name((*model)->info().name);
    (*outcome_.response.mutable_parameters())["model_fingerprint"].set_string_param((*model)->info().fingerprint);
    lengths_.resize(static_cast<size_t>(plan_.native->items_size()));
    EmbedPooled();
  }

 private:
  bool Wants(InferOutput output) const { return std::count(plan_.outputs.begin(), plan_.outputs.end(), output) > 0; }

  absl::Status CheckDimensions(int32_t whole) const {
    if (plan_.dimensions <= whole) return absl::OkStatus();
    return InvalidField("parameters[\"dimensions\"]",
                        absl::StrCat(plan_.dimensions, " is more than the ", whole, " of the model's vectors"));
  }

  // Each step ends with the next.
  void EmbedPooled() {
    const bool others = Wants(InferOutput::kLastHiddenState) || Wants(InferOutput::kAttentions);
    // A mask alone needs the lengths that come with it.
    if (!Wants(InferOutput::kSentenceEmbedding) && others) return EmbedTokens();
    auto native = plan_.dimensions == 0 && !others ? plan_.native : std::make_shared<v1::EmbedRequest>(*plan_.native);
    auto model = FindModel(core_, call_, request_->model_name());
    if (!model.ok()) return Finish(model.status());
    v1::EmbedOptions* options = native->mutable_options();
    normalize_ = options->has_normalize() ? options->normalize() : (*model)->info().normalize;
    cut_ = plan_.dimensions != 0 && plan_.dimensions != (*model)->info().dimension;
    if (cut_) options->set_normalize(false);
    Embed(std::move(native), &pooled_, &InferRun::EmbedTokens);
  }

  void EmbedTokens() {
    if (!Wants(InferOutput::kLastHiddenState)) return AttendRow(0);
    auto native = std::make_shared<v1::EmbedRequest>(*plan_.native);
    native->mutable_options()->set_output(v1::OUTPUT_TOKENS);
    native->mutable_options()->clear_normalize();
    Embed(std::move(native), &hidden_, &InferRun::AttendFirst);
  }

  void AttendFirst() { AttendRow(0); }

  void Embed(std::shared_ptr<v1::EmbedRequest> native, v1::EmbedResponse* out, void (InferRun::*next)()) {
    RunEmbed(core_, call_, std::move(native),
             [self = shared_from_this(), out, next](Outcome<v1::EmbedResponse> embedded) {
               self->Add(embedded.report);
               absl::Status status = std::move(embedded.status);
               const auto& results = embedded.response.results();
               for (int row = 0; status.ok() && row < results.size(); ++row) {
                 status = self->RowStatus(results[row], row);
                 self->lengths_[static_cast<size_t>(row)] = results[row].tokens_used();
               }
               if (!status.ok()) return self->Finish(std::move(status));
               out->Swap(&embedded.response);
               ((*self).*next)();
             });
  }

  absl::Status RowStatus(const v1::EmbedResult& result, int row) const {
    if (!result.has_status()) return absl::OkStatus();
    return ToCallStatus(result.status(), absl::StrCat(plan_.columns == 0 ? kTextInput : kIdsInput, " row ", row));
  }

  // Row by row, so that what waits for the others is bounded as it grows.
  void AttendRow(int row) {
    if (!Wants(InferOutput::kAttentions) || row == plan_.native->items_size()) return Answer();
    auto native = std::make_shared<v1::GetAttentionRequest>();
    const v1::EmbedOptions& options = plan_.native->options();
    native->set_model(plan_.native->model());
    *native->mutable_item() = plan_.native->items(row);
    native->set_truncation(options.truncation());
    native->set_service_class(plan_.native->service_class());
    if (options.prompt_case() == v1::EmbedOptions::kPromptName) native->set_prompt_name(options.prompt_name());
    RunAttention(core_, call_, std::move(native), [self = shared_from_this(), row](Outcome<AttentionResponse> maps) {
      self->OnMaps(row, std::move(maps));
    });
  }

  void OnMaps(int row, Outcome<AttentionResponse> maps) {
    Add(maps.report);
    if (!maps.status.ok()) return Finish(OfRow(maps.status, row));
    const auto& shape = maps.response.header.shape();
    layers_ = shape[0];
    heads_ = shape[1];
    lengths_[static_cast<size_t>(row)] = shape[3];
    maps_.push_back(std::move(maps.response.values));
    absl::Status status = CheckMaps();
    if (!status.ok()) return Finish(std::move(status));
    // Tokenising is none of the workers' work.
    core_.pool->Post([self = shared_from_this(), row] { self->AttendRow(row + 1); });
  }

  // The status of one row's GetAttention, with the row.
  absl::Status OfRow(const absl::Status& status, int row) const {
    if (!absl::IsInvalidArgument(status)) return status;
    const absl::string_view message = status.message();
    return InvalidField(absl::StrCat(plan_.columns == 0 ? kTextInput : kIdsInput, " row ", row),
                        std::string_view(message.data(), message.size()));
  }

  // As far as it is known, padded.
  absl::Status CheckMaps() const {
    const int64_t rows = plan_.native->items_size();
    const int64_t bytes = rows * layers_ * heads_ * Width() * Width() * int64_t{sizeof(float)};
    if (bytes <= core_.limits.max_attention_bytes) return absl::OkStatus();
    return InvalidField("outputs", absl::StrCat("attentions would take ", bytes, " bytes, padded to ", Width(),
                                                " tokens, more than the limit of ", core_.limits.max_attention_bytes,
                                                " (--max-attention-bytes); send fewer or shorter rows"));
  }

  // Tokens that rows are padded to.
  int64_t Width() const {
    return plan_.columns != 0 ? plan_.columns : *std::max_element(lengths_.begin(), lengths_.end());
  }

  void Add(const CallReport& report) {
    const auto larger = [](auto* mine, const auto& other) {
      if (other.has_value()) *mine = std::max(mine->value_or(Microseconds(0)), *other);
    };
    larger(&outcome_.report.tokenize, report.tokenize);
    larger(&outcome_.report.queue, report.queue);
    larger(&outcome_.report.compute, report.compute);
    for (const auto& [code, count] : report.items) outcome_.report.items[code] += count;
  }

  void Answer() {
    ModelInferResponse& response = outcome_.response;
    response.set_model_version(kOnlyVersion);
    response.set_id(request_->id());
    absl::Status status;
    for (const InferOutput output : plan_.outputs) {
      if (status.ok()) status = AddOutput(output);
    }
    Finish(std::move(status));
  }

  absl::Status AddOutput(InferOutput output) {
    const int64_t rows = plan_.native->items_size();
    switch (output) {
      case InferOutput::kSentenceEmbedding: {
        const int64_t size = pooled_.results(0).embedding().shape(0);
        auto values = NewOutput(output, {rows, cut_ ? plan_.dimensions : size});
        if (values.ok()) FillPooled(*values);
        return values.status();
      }
      case InferOutput::kLastHiddenState: {
        auto values = NewOutput(output, {rows, Width(), hidden_.results(0).embedding().shape(1)});
        if (values.ok()) FillHidden(*values);
        return values.status();
      }
      case InferOutput::kAttentions: {
        auto values = NewOutput(output, {rows, layers_, heads_, Width(), Width()});
        if (values.ok()) FillMaps(*values);
        return values.status();
      }
      case InferOutput::kAttentionMask:
        return AddMask(rows);
    }
    return absl::InternalError("an output without a way to fill it");
  }

  ModelInferResponse::InferOutputTensor* AddTensor(InferOutput output, const char* datatype,
                                                   const std::vector<int64_t>& shape) {
    auto* tensor = outcome_.response.add_outputs();
    tensor->set_name(InferOutputName(output));
    tensor->set_datatype(datatype);
    tensor->mutable_shape()->Add(shape.begin(), shape.end());
    return tensor;
  }

  absl::Status ReserveOutput(InferOutput output, int64_t bytes) {
    answer_bytes_ += bytes;
    const RequestLimits& limits = core_.limits;
    const bool maps = output == InferOutput::kAttentions;
    const int64_t limit = maps ? limits.max_attention_bytes : limits.max_message_bytes;
    if (bytes > limit || answer_bytes_ > limits.max_message_bytes + limits.max_attention_bytes) {
      return InvalidField("outputs", absl::StrCat("with ", InferOutputName(output), " the answer would take ",
                                                  answer_bytes_, " bytes, more than the limit (",
                                                  maps ? "--max-attention-bytes" : "--max-message-bytes",
                                                  "); send fewer rows, or rows of one length"));
    }
    // Once as the message, once on the wire.
    return Reserve(2 * bytes, call_.reservation.get());
  }

  // A float tensor of zeros, to be filled.
  absl::StatusOr<float*> NewOutput(InferOutput output, const std::vector<int64_t>& shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    const int64_t bytes = count * int64_t{sizeof(float)};
    if (absl::Status status = ReserveOutput(output, bytes); !status.ok()) return status;
    auto* tensor = AddTensor(output, "FP32", shape);
    if (plan_.contents == Contents::kTyped) {
      auto* values = tensor->mutable_contents()->mutable_fp32_contents();
      values->Resize(static_cast<int>(count), 0.0f);
      return values->mutable_data();
    }
    std::string* raw = outcome_.response.add_raw_output_contents();
    raw->resize(static_cast<size_t>(bytes));
    // An allocation of this size is aligned for anything.
    return reinterpret_cast<float*>(raw->data());
  }

  static void Copy(const float* from, int64_t count, float* to) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  }

  void FillPooled(float* out) const {
    for (const v1::EmbedResult& result : pooled_.results()) {
      const auto& values = result.embedding().values();
      if (!cut_) {
        Copy(values.data(), values.size(), out);
        out += values.size();
        continue;
      }
      const auto shorter =
          CutVectors(values.data(), 1, static_cast<size_t>(values.size()), static_cast<size_t>(plan_.dimensions),
                     normalize_ ? Scaling::kToUnitLength : Scaling::kAsItIs);
      Copy(shorter.data(), plan_.dimensions, out);
      out += plan_.dimensions;
    }
  }

  void FillHidden(float* out) const {
    for (const v1::EmbedResult& result : hidden_.results()) {
      const v1::Embedding& embedding = result.embedding();
      Copy(embedding.values().data(), embedding.values_size(), out);
      out += Width() * embedding.shape(1);
    }
  }

  void FillMaps(float* out) const {
    for (size_t row = 0; row < maps_.size(); ++row) {
      const int64_t length = lengths_[row];
      const float* map = maps_[row].data();
      for (int64_t i = 0; i < layers_ * heads_; ++i, out += Width() * Width()) {
        for (int64_t query = 0; query < length; ++query, map += length) Copy(map, length, out + query * Width());
      }
    }
  }

  absl::Status AddMask(int64_t rows) {
    const int64_t bytes = rows * Width() * int64_t{sizeof(int64_t)};
    if (absl::Status status = ReserveOutput(InferOutput::kAttentionMask, bytes); !status.ok()) return status;
    std::vector<int64_t> mask(static_cast<size_t>(rows * Width()));
    for (size_t row = 0; row < lengths_.size(); ++row) {
      std::fill_n(mask.begin() + static_cast<int64_t>(row) * Width(), lengths_[row], 1);
    }
    auto* tensor = AddTensor(InferOutput::kAttentionMask, "INT64", {rows, Width()});
    if (plan_.contents == Contents::kTyped) {
      tensor->mutable_contents()->mutable_int64_contents()->Add(mask.begin(), mask.end());
    } else {
      outcome_.response.add_raw_output_contents(reinterpret_cast<const char*>(mask.data()), static_cast<size_t>(bytes));
    }
    return absl::OkStatus();
  }

  void Finish(absl::Status status) {
    outcome_.status = std::move(status);
    const Done<ModelInferResponse> done = std::move(done_);
    done(std::move(outcome_));
  }

  const ServiceCore& core_;
  CallContext call_;
  const std::shared_ptr<const ModelInferRequest> request_;
  Done<ModelInferResponse> done_;
  InferPlan plan_;
  bool normalize_ = false;
  bool cut_ = false;  // to fewer dimensions
  v1::EmbedResponse pooled_;
  v1::EmbedResponse hidden_;
  std::vector<std::vector<float>> maps_;  // one per row
  int64_t layers_ = 0;
  int64_t heads_ = 0;
  std::vector<int64_t> lengths_;  // of the rows, in tokens
  int64_t answer_bytes_ = 0;
  Outcome<ModelInferResponse> outcome_;
};

}  // namespace

void RunInfer(const ServiceCore& core, CallContext call, const std::shared_ptr<const ModelInferRequest>& request,
              Done<ModelInferResponse> done) {
  std::make_shared<InferRun>(core, std::move(call), request, std::move(done))->Run();
}

}  // namespace attendant
