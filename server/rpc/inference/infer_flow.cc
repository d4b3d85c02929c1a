#include "server/rpc/inference/infer_flow.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "attendant/v1/embedding.pb.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/foreign_answer.h"
#include "server/rpc/inference/infer_request.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;

// Lives until its answer is made: the callback holds a reference.
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
    RunEmbed(core_, call_, plan_.native, [self = shared_from_this()](Outcome<v1::EmbedResponse> embedded) {
      self->OnEmbedded(std::move(embedded));
    });
  }

 private:
  void OnEmbedded(Outcome<v1::EmbedResponse> embedded) {
    outcome_.report = std::move(embedded.report);
    embedded_ = std::move(embedded.response);
    absl::Status status = InWordsOfTensors(embedded.status);
    const auto& results = embedded_.results();
    for (int row = 0; status.ok() && row < results.size(); ++row) {
      status = RowStatus(results[row], row);
      lengths_.push_back(results[row].tokens_used());
    }
    if (!status.ok()) return Finish(std::move(status));
    Answer();
  }

  static absl::Status InWordsOfTensors(const absl::Status& status) {
    return RenameField(RenameField(status, "options.dimensions", "parameters[\"dimensions\"]"), "options.attention",
                       "outputs");
  }

  absl::Status RowStatus(const v1::EmbedResult& result, int row) const {
    if (!result.has_status()) return absl::OkStatus();
    return ToCallStatus(result.status(), absl::StrCat(plan_.columns == 0 ? kTextInput : kIdsInput, " row ", row));
  }

  // Tokens that rows are padded to.
  int64_t Width() const {
    return plan_.columns != 0 ? plan_.columns : *std::max_element(lengths_.begin(), lengths_.end());
  }

  // The vectors of a row's tokens.
  const v1::Embedding& HiddenOf(const v1::EmbedResult& result) const {
    return Wants(plan_, InferOutput::kSentenceEmbedding) ? result.additional(0) : result.embedding();
  }

  void Answer() {
    ModelInferResponse& response = outcome_.response;
    response.set_model_name(embedded_.model());
    (*response.mutable_parameters())["model_fingerprint"].set_string_param(embedded_.model_fingerprint());
    if (embedded_.untrained_dimensions()) {
      (*response.mutable_parameters())["untrained_dimensions"].set_bool_param(true);
    }
    response.set_model_version(kOnlyVersion);
    response.set_id(request_->id());
    absl::Status status;
    for (const InferOutput output : plan_.outputs) {
      if (status.ok()) status = AddOutput(output);
    }
    Finish(std::move(status));
  }

  absl::Status AddOutput(InferOutput output) {
    const int64_t rows = embedded_.results_size();
    const v1::EmbedResult& first = embedded_.results(0);
    switch (output) {
      case InferOutput::kSentenceEmbedding: {
        auto values = NewOutput(output, {rows, first.embedding().shape(0)});
        if (values.ok()) FillPooled(*values);
        return values.status();
      }
      case InferOutput::kLastHiddenState: {
        auto values = NewOutput(output, {rows, Width(), HiddenOf(first).shape(1)});
        if (values.ok()) FillHidden(*values);
        return values.status();
      }
      case InferOutput::kAttentions: {
        const auto& shape = first.attention().shape();
        auto values = NewOutput(output, {rows, shape[0], shape[1], Width(), Width()});
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
                                                  "); send fewer or shorter rows"));
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
    for (const v1::EmbedResult& result : embedded_.results()) {
      const auto& values = result.embedding().values();
      Copy(values.data(), values.size(), out);
      out += values.size();
    }
  }

  void FillHidden(float* out) const {
    for (const v1::EmbedResult& result : embedded_.results()) {
      const v1::Embedding& embedding = HiddenOf(result);
      Copy(embedding.values().data(), embedding.values_size(), out);
      out += Width() * embedding.shape(1);
    }
  }

  void FillMaps(float* out) const {
    for (const v1::EmbedResult& result : embedded_.results()) {
      const auto& shape = result.attention().shape();
      const int64_t length = shape[3];
      const float* map = result.attention().values().data();
      for (int64_t i = 0; i < int64_t{shape[0]} * shape[1]; ++i, out += Width() * Width()) {
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
  v1::EmbedResponse embedded_;
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
