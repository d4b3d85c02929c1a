#include "server/rpc/tei/tei_services.h"

#include <grpcpp/support/server_callback.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/raw_service.h"
#include "server/rpc/stream_call.h"
#include "server/rpc/tei/tei_flows.h"
#include "server/rpc/unary_call.h"
#include "tei/v1/tei.grpc.pb.h"

namespace attendant {
namespace {

absl::Status NeedsHead(const char* what) {
  return absl::UnimplementedError(absl::StrCat("this server's models have no head for ", what, "; they embed"));
}

// The metadata again, as the headers that clients of TEI's HTTP know. Before Finish, which sends them.
void AddHeaders(const tei::v1::Metadata& metadata, grpc::CallbackServerContext* context) {
  const auto milliseconds = [](uint64_t ns) { return std::to_string(ns / 1'000'000); };
  context->AddInitialMetadata("x-compute-type", "cpu");
  context->AddInitialMetadata("x-compute-time", milliseconds(metadata.inference_time_ns()));
  context->AddInitialMetadata("x-compute-characters", std::to_string(metadata.compute_chars()));
  context->AddInitialMetadata("x-compute-tokens", std::to_string(metadata.compute_tokens()));
  context->AddInitialMetadata("x-total-time", milliseconds(metadata.total_time_ns()));
  context->AddInitialMetadata("x-tokenization-time", milliseconds(metadata.tokenization_time_ns()));
  context->AddInitialMetadata("x-queue-time", milliseconds(metadata.queue_time_ns()));
  context->AddInitialMetadata("x-inference-time", milliseconds(metadata.inference_time_ns()));
}

// A service whose methods are flows.
template <typename Base>
class FlowService : public RawService<Base> {
 protected:
  FlowService(const ServiceCore& core, OpenCalls* open_calls, const char* full_name)
      : RawService<Base>(full_name), core_(core), open_calls_(open_calls) {}

  template <typename Request, typename Response, typename Flow>
  void Unary(const char* name, RpcMethod method, Flow flow) {
    this->ServeUnary(name, [this, method, flow](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                                grpc::ByteBuffer* response) {
      return StartUnary<Request, Response>(
          core_, open_calls_, method, context, request, response,
          [context, flow](const ServiceCore& core, CallContext call, std::shared_ptr<const Request> message,
                          Done<Response> done) {
            flow(core, std::move(call), std::move(message), [context, done](Outcome<Response> outcome) {
              if constexpr (requires { outcome.response.metadata(); }) {
                if (outcome.status.ok()) AddHeaders(outcome.response.metadata(), context);
              }
              done(std::move(outcome));
            });
          });
    });
  }

  // Its answers have no ids, so they come in the order of the requests.
  template <typename Request, typename Response, typename Flow>
  void Stream(const char* name, RpcMethod method, Flow flow) {
    this->ServeStream(name, [this, method, flow](grpc::CallbackServerContext* context) {
      return StartStream(core_, open_calls_, method, context,
                         {AnswerOrder::kOfRequests, HandleWith<Request, Response>(core_, flow)});
    });
  }

  // Every method of a service that is not offered.
  void RefuseAll(const absl::Status& refusal) {
    for (int i = 0; i < this->descriptor().method_count(); ++i) {
      this->Refuse(this->descriptor().method(i)->name().c_str(), core_, RpcMethod::kTeiNotOffered, refusal);
    }
  }

  const ServiceCore& core_;
  OpenCalls* const open_calls_;
};

constexpr char kInfo[] = "tei.v1.Info";
constexpr char kEmbed[] = "tei.v1.Embed";
constexpr char kPredict[] = "tei.v1.Predict";
constexpr char kRerank[] = "tei.v1.Rerank";
constexpr char kTokenize[] = "tei.v1.Tokenize";

void RunInfo(const ServiceCore& core, const TeiFacts& facts, const Done<tei::v1::InfoResponse>& done) {
  Outcome<tei::v1::InfoResponse> outcome;
  const auto model = FindModel(core, "");
  outcome.status = model.status();
  if (model.ok()) outcome.response = DescribeForTei(core, facts, (*model)->info());
  done(std::move(outcome));
}

class InfoService final : public FlowService<tei::v1::Info::Service> {
 public:
  InfoService(const ServiceCore& core, OpenCalls* open_calls, const TeiFacts& facts)
      : FlowService(core, open_calls, kInfo) {
    ServeUnary("Info", [this, &facts](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) {
      return StartUnary<tei::v1::InfoRequest, tei::v1::InfoResponse>(
          core_, open_calls_, RpcMethod::kTeiInfo, context, request, response,
          [&facts](const ServiceCore& server, const CallContext&, const std::shared_ptr<const tei::v1::InfoRequest>&,
                   const Done<tei::v1::InfoResponse>& done) { RunInfo(server, facts, done); });
    });
  }
};

class EmbedService final : public FlowService<tei::v1::Embed::Service> {
 public:
  EmbedService(const ServiceCore& core, OpenCalls* open_calls) : FlowService(core, open_calls, kEmbed) {
    using tei::v1::EmbedAllRequest, tei::v1::EmbedAllResponse, tei::v1::EmbedRequest, tei::v1::EmbedResponse;
    Unary<EmbedRequest, EmbedResponse>("Embed", RpcMethod::kTeiEmbed, &RunTeiEmbed);
    Stream<EmbedRequest, EmbedResponse>("EmbedStream", RpcMethod::kTeiEmbedStream, &RunTeiEmbed);
    Unary<EmbedAllRequest, EmbedAllResponse>("EmbedAll", RpcMethod::kTeiEmbedAll, &RunTeiEmbedAll);
    Stream<EmbedAllRequest, EmbedAllResponse>("EmbedAllStream", RpcMethod::kTeiEmbedAllStream, &RunTeiEmbedAll);
    for (const char* sparse : {"EmbedSparse", "EmbedSparseStream"}) {
      Refuse(sparse, core_, RpcMethod::kTeiNotOffered, NeedsHead("sparse vectors"));
    }
  }
};

class PredictService final : public FlowService<tei::v1::Predict::Service> {
 public:
  PredictService(const ServiceCore& core, OpenCalls* open_calls) : FlowService(core, open_calls, kPredict) {
    RefuseAll(NeedsHead("classification"));
  }
};

class RerankService final : public FlowService<tei::v1::Rerank::Service> {
 public:
  RerankService(const ServiceCore& core, OpenCalls* open_calls) : FlowService(core, open_calls, kRerank) {
    RefuseAll(NeedsHead("reranking"));
  }
};

class TokenizeService final : public FlowService<tei::v1::Tokenize::Service> {
 public:
  TokenizeService(const ServiceCore& core, OpenCalls* open_calls) : FlowService(core, open_calls, kTokenize) {
    using tei::v1::DecodeRequest, tei::v1::DecodeResponse, tei::v1::EncodeRequest, tei::v1::EncodeResponse;
    Unary<EncodeRequest, EncodeResponse>("Tokenize", RpcMethod::kTeiTokenize, &RunTeiTokenize);
    Stream<EncodeRequest, EncodeResponse>("TokenizeStream", RpcMethod::kTeiTokenizeStream, &RunTeiTokenize);
    Unary<DecodeRequest, DecodeResponse>("Decode", RpcMethod::kTeiDecode, &RunTeiDecode);
    Stream<DecodeRequest, DecodeResponse>("DecodeStream", RpcMethod::kTeiDecodeStream, &RunTeiDecode);
  }
};

}  // namespace

class TeiServices::Impl {
 public:
  Impl(const ServiceCore& core, TeiFacts facts)
      : facts_(std::move(facts)),
        open_calls_(core.limits.write_timeout),
        info_(core, &open_calls_, facts_),
        embed_(core, &open_calls_),
        predict_(core, &open_calls_),
        rerank_(core, &open_calls_),
        tokenize_(core, &open_calls_) {}

  std::vector<EndpointService> services() {
    return {{&info_, kInfo},
            {&embed_, kEmbed},
            {&predict_, kPredict, Offer::kNotOffered},
            {&rerank_, kRerank, Offer::kNotOffered},
            {&tokenize_, kTokenize}};
  }
  void DrainStreams() { open_calls_.Drain(); }

 private:
  const TeiFacts facts_;
  OpenCalls open_calls_;
  InfoService info_;
  EmbedService embed_;
  PredictService predict_;
  RerankService rerank_;
  TokenizeService tokenize_;
};

TeiServices::TeiServices(const ServiceCore& core, TeiFacts facts)
    : impl_(std::make_unique<Impl>(core, std::move(facts))) {}
TeiServices::~TeiServices() = default;

std::vector<EndpointService> TeiServices::services() { return impl_->services(); }

void TeiServices::DrainStreams() { impl_->DrainStreams(); }

}  // namespace attendant
