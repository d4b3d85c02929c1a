#include "server/rpc/embedding_service.h"

#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <utility>

#include "attendant/v1/embedding.grpc.pb.h"
#include "server/rpc/attention_flow.h"
#include "server/rpc/call_chain.h"
#include "server/rpc/compare_flow.h"
#include "server/rpc/conversion.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/embed_stream.h"
#include "server/rpc/grpc_support.h"
#include "server/rpc/model_flows.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/tokenize_flow.h"
#include "server/rpc/unary_call.h"

namespace attendant {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;

// Values of one GetAttentionResponse: 1 MiB, well below the 4 MB that gRPC clients accept by default.
constexpr size_t kChunkValues = 256 * 1024;

// GetAttention: computes the whole tensor, whose size was checked beforehand, then writes it in chunks.
class AttentionCall final : public grpc::ServerWriteReactor<ByteBuffer>, public OpenCalls::Member {
 public:
  AttentionCall(const ServiceCore& core, OpenCalls* open_calls, CallbackServerContext* context)
      : core_(core),
        open_calls_(open_calls),
        context_(context),
        cancel_(std::make_shared<CancelToken>()),
        chain_(core, RpcMethod::kGetAttention, FactsOf(*context, cancel_)) {
    if (core_.metrics != nullptr) core_.metrics->StreamOpened(RpcMethod::kGetAttention);
    open_calls_->Add(this);
  }

  void Start(const ByteBuffer& request) {
    if (!chain_.admitted().ok()) return End(chain_.admitted());
    RunWhereItFits(core_, request.Length(), [this, bytes = request]() mutable {
      auto message = std::make_shared<v1::GetAttentionRequest>();
      absl::Status status = ParseMessage(core_, chain_, &bytes, message.get());
      if (!status.ok()) return End(status);
      RunAttention(core_, chain_.context(), std::move(message), [this](Outcome<AttentionResponse> outcome) {
        report_ = std::move(outcome.report);
        if (!outcome.status.ok()) return End(outcome.status);
        result_ = std::move(outcome.response);
        WriteNext();
      });
    });
  }

  void OnWriteDone(bool ok) override {
    write_timer_.End();
    if (!ok) return End(absl::CancelledError("the caller no longer reads the answer"));
    written_ += chunk_values_;
    if (written_ < result_.values.size()) return WriteNext();
    End(absl::OkStatus());
  }

  void OnCancel() override { cancel_->Cancel(); }

  void CancelIfStuckSince(SteadyTime time) override {
    if (write_timer_.RunsSince(time)) context_->TryCancel();
  }

  void OnDone() override {
    open_calls_->Remove(this);
    if (core_.metrics != nullptr) core_.metrics->StreamClosed(RpcMethod::kGetAttention);
    delete this;
  }

 private:
  void WriteNext() {
    v1::GetAttentionResponse response;
    if (written_ == 0) response.mutable_header()->Swap(&result_.header);
    chunk_values_ = std::min(kChunkValues, result_.values.size() - written_);
    const float* begin = result_.values.data() + written_;
    response.set_offset(static_cast<int64_t>(written_));
    response.mutable_values()->Add(begin, begin + chunk_values_);
    chunk_ = SerializeMessage(response);
    write_timer_.Begin();
    StartWrite(&chunk_);
  }

  void End(const absl::Status& status) {
    chain_.Record(status, report_);
    Finish(EndCall(status, context_));
  }

  const ServiceCore& core_;
  OpenCalls* const open_calls_;
  CallbackServerContext* const context_;
  const std::shared_ptr<CancelToken> cancel_;
  CallChain chain_;
  WriteTimer write_timer_;
  CallReport report_;
  AttentionResponse result_;
  size_t written_ = 0;
  size_t chunk_values_ = 0;
  ByteBuffer chunk_;
};

void Tokenize(const ServiceCore& core, const CallContext& call,
              const std::shared_ptr<const v1::TokenizeRequest>& request, const Done<v1::TokenizeResponse>& done) {
  done(RunTokenize(core, call, *request));
}

template <typename Base>
using RawEmbed = v1::EmbeddingService::WithRawCallbackMethod_Embed<Base>;
template <typename Base>
using RawEmbedStream = v1::EmbeddingService::WithRawCallbackMethod_EmbedStream<Base>;
template <typename Base>
using RawGetAttention = v1::EmbeddingService::WithRawCallbackMethod_GetAttention<Base>;
template <typename Base>
using RawTokenize = v1::EmbeddingService::WithRawCallbackMethod_Tokenize<Base>;
template <typename Base>
using RawRank = v1::EmbeddingService::WithRawCallbackMethod_Rank<Base>;
template <typename Base>
using RawSimilarity = v1::EmbeddingService::WithRawCallbackMethod_Similarity<Base>;
template <typename Base>
using RawListModels = v1::EmbeddingService::WithRawCallbackMethod_ListModels<Base>;
template <typename Base>
using RawGetModel = v1::EmbeddingService::WithRawCallbackMethod_GetModel<Base>;
using RawService = RawEmbed<RawEmbedStream<
    RawGetAttention<RawTokenize<RawRank<RawSimilarity<RawListModels<RawGetModel<v1::EmbeddingService::Service>>>>>>>>;

}  // namespace

class EmbeddingService::Impl final : public RawService {
 public:
  explicit Impl(const ServiceCore& core) : core_(core), open_calls_(core.limits.write_timeout) {}

  void DrainStreams() { open_calls_.Drain(); }

  grpc::ServerUnaryReactor* Embed(CallbackServerContext* context, const ByteBuffer* request,
                                  ByteBuffer* response) override {
    return StartUnary<v1::EmbedRequest, v1::EmbedResponse>(core_, &open_calls_, RpcMethod::kEmbed, context, request,
                                                           response, RunEmbed);
  }

  grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* EmbedStream(CallbackServerContext* context) override {
    return StartEmbedStream(core_, context, &open_calls_);
  }

  grpc::ServerWriteReactor<ByteBuffer>* GetAttention(CallbackServerContext* context,
                                                     const ByteBuffer* request) override {
    auto* call = new AttentionCall(core_, &open_calls_, context);
    call->Start(*request);
    return call;
  }

  grpc::ServerUnaryReactor* Tokenize(CallbackServerContext* context, const ByteBuffer* request,
                                     ByteBuffer* response) override {
    return StartUnary<v1::TokenizeRequest, v1::TokenizeResponse>(core_, &open_calls_, RpcMethod::kTokenize, context,
                                                                 request, response, attendant::Tokenize);
  }

  grpc::ServerUnaryReactor* Rank(CallbackServerContext* context, const ByteBuffer* request,
                                 ByteBuffer* response) override {
    return StartUnary<v1::RankRequest, v1::RankResponse>(core_, &open_calls_, RpcMethod::kRank, context, request,
                                                         response, RunRank);
  }

  grpc::ServerUnaryReactor* Similarity(CallbackServerContext* context, const ByteBuffer* request,
                                       ByteBuffer* response) override {
    return StartUnary<v1::SimilarityRequest, v1::SimilarityResponse>(core_, &open_calls_, RpcMethod::kSimilarity,
                                                                     context, request, response, RunSimilarity);
  }

  grpc::ServerUnaryReactor* ListModels(CallbackServerContext* context, const ByteBuffer* request,
                                       ByteBuffer* response) override {
    return StartUnary<v1::ListModelsRequest, v1::ListModelsResponse>(core_, &open_calls_, RpcMethod::kListModels,
                                                                     context, request, response, RunListModels);
  }

  grpc::ServerUnaryReactor* GetModel(CallbackServerContext* context, const ByteBuffer* request,
                                     ByteBuffer* response) override {
    return StartUnary<v1::GetModelRequest, v1::Model>(core_, &open_calls_, RpcMethod::kGetModel, context, request,
                                                      response, RunGetModel);
  }

 private:
  const ServiceCore& core_;
  OpenCalls open_calls_;
};

EmbeddingService::EmbeddingService(const ServiceCore& core) : impl_(std::make_unique<Impl>(core)) {}
EmbeddingService::~EmbeddingService() = default;

grpc::Service* EmbeddingService::grpc_service() { return impl_.get(); }

void EmbeddingService::DrainStreams() { impl_->DrainStreams(); }

}  // namespace attendant
