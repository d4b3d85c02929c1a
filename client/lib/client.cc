#include "client/lib/client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/lib/attention_assembler.h"
#include "client/lib/bulk_embedder.h"
#include "client/lib/clock.h"
#include "client/lib/errors.h"
#include "client/lib/grpc_support.h"
#include "client/lib/item_check.h"
#include "client/lib/wire.h"

namespace attendant::client {
namespace {

// A server that restarts should be found again within seconds; gRPC's own default grows to two minutes.
constexpr int kMinReconnectMs = 200;
constexpr int kMaxReconnectMs = 2000;
// Finds a silently dead connection within a minute, and stays far above the server's minimum ping interval.
constexpr int kKeepaliveTimeMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// What a smaller limit than this could not even carry: errors, a handful of vectors.
constexpr int64_t kSmallestMessageLimit = 64 << 10;

std::shared_ptr<grpc::Channel> NewChannel(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetMaxSendMessageSize(static_cast<int>(options.max_message_bytes));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kMinReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, options.use_http_proxy ? 1 : 0);
  // Its own connection for each Client, so that one's trouble or load does not show in another.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetUserAgentPrefix("attendant-client");
  if (!options.tls.server_name.empty()) arguments.SetSslTargetNameOverride(options.tls.server_name);
  return grpc::CreateCustomChannel(options.target, NewCredentials(options.tls), arguments);
}

// The good items of a call and what is already known of the others.
struct CheckedItems {
  std::vector<const Item*> good;
  std::vector<size_t> good_index;
  std::vector<absl::Status> faults;  // one per item

  CheckedItems(const std::vector<Item>& items, int64_t max_message_bytes) {
    for (size_t i = 0; i < items.size(); ++i) {
      faults.push_back(CheckItem(items[i], max_message_bytes));
      if (!faults.back().ok()) continue;
      good.push_back(&items[i]);
      good_index.push_back(i);
    }
  }

  bool all_bad() const { return good.empty() && !faults.empty(); }
};

// Puts the results of the good items in their places and the faults in the others.
template <typename Result>
absl::Status Merge(const CheckedItems& checked, std::vector<Result>* results) {
  if (results->size() != checked.good.size()) {
    return absl::InternalError(
        absl::StrCat("the server answered ", results->size(), " results for ", checked.good.size(), " items"));
  }
  std::vector<Result> merged(checked.faults.size());
  for (size_t i = 0; i < merged.size(); ++i) merged[i].status = checked.faults[i];
  for (size_t i = 0; i < results->size(); ++i) {
    Result& result = merged[checked.good_index[i]];
    result = std::move((*results)[i]);
    RenumberItem(static_cast<int64_t>(i), static_cast<int64_t>(checked.good_index[i]), &result.status, &result.field);
  }
  *results = std::move(merged);
  return absl::OkStatus();
}

// Of items that cannot fail alone.
absl::Status CheckAll(const std::vector<Item>& items, int64_t max_message_bytes) {
  for (size_t i = 0; i < items.size(); ++i) {
    const absl::Status status = CheckItem(items[i], max_message_bytes);
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat("item ", i, ": ", status.message()));
  }
  return absl::OkStatus();
}

int64_t SmallerLimit(int64_t own, int64_t servers) { return servers > 0 ? std::min(own, servers) : own; }

// Batches within what the server accepts; half of the message limit leaves room for an estimate that was too low.
BulkOptions WithinLimits(BulkOptions bulk, const Limits& limits, int64_t max_message_bytes) {
  bulk.max_batch_items = static_cast<int32_t>(SmallerLimit(bulk.max_batch_items, limits.max_items_per_request));
  bulk.max_in_flight = static_cast<int32_t>(SmallerLimit(bulk.max_in_flight, limits.max_in_flight_per_stream));
  bulk.max_batch_bytes = std::min(bulk.max_batch_bytes, max_message_bytes / 2);
  return bulk;
}

int32_t BytesPerVector(const EmbedOptions& options, const ModelInfo& model) {
  constexpr int32_t kFloat = sizeof(float);
  if (options.output == Output::kTokens) return model.hidden_size * kFloat;
  if (options.pooling.empty()) return model.dimension * kFloat;
  return model.hidden_size * static_cast<int32_t>(options.pooling.size()) * kFloat;
}

}  // namespace

class Client::Impl {
 public:
  explicit Impl(const ClientOptions& options)
      : options_(options),
        channel_(NewChannel(options)),
        stub_(v1::EmbeddingService::NewStub(channel_)),
        next_seed_(options.jitter_seed != 0 ? options.jitter_seed : std::random_device{}()) {}

  SteadyTime Deadline(const CallOptions& call) const {
    return std::chrono::steady_clock::now() + call.timeout.value_or(options_.default_timeout);
  }
  std::string Where(const char* method) const { return absl::StrCat(method, " at ", options_.target); }
  uint64_t NextSeed() { return next_seed_.fetch_add(2, std::memory_order_relaxed); }

  absl::Status WithRetries(SteadyTime deadline, const std::function<absl::Status()>& attempt) {
    return CallWithRetries(options_.retry, NextSeed(), SystemClock(), deadline, attempt);
  }

  template <typename Request, typename Response>
  absl::Status Unary(const char* name,
                     grpc::Status (v1::EmbeddingService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                        Response*),
                     const Request& request, const CallOptions& call, Response* response) {
    const SteadyTime deadline = Deadline(call);
    return WithRetries(deadline, [&] {
      grpc::ClientContext context;
      SetUpCall(options_.api_key, deadline, &context);
      response->Clear();
      return FromGrpc((stub_.get()->*method)(&context, request, response), Where(name));
    });
  }

  absl::Status ReadAttention(const v1::GetAttentionRequest& request, SteadyTime deadline, AttentionMap* map) {
    grpc::ClientContext context;
    SetUpCall(options_.api_key, deadline, &context);
    AttentionAssembler assembler(options_.max_attention_bytes);
    const auto reader = stub_->GetAttention(&context, request);
    v1::GetAttentionResponse chunk;
    absl::Status fault;
    while (fault.ok() && reader->Read(&chunk)) {
      if (chunk.has_header()) fault = assembler.SetHeader(FromWire(chunk.header()));
      if (fault.ok()) {
        fault = assembler.Add(chunk.offset(), {chunk.values().data(), static_cast<size_t>(chunk.values_size())});
      }
    }
    if (!fault.ok()) context.TryCancel();
    const grpc::Status status = reader->Finish();
    if (!fault.ok()) return fault;
    if (!status.ok()) return FromGrpc(status, Where("GetAttention"));
    absl::StatusOr<AttentionMap> result = assembler.Finish();
    if (result.ok()) *map = *std::move(result);
    return result.status();
  }

  const ClientOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::EmbeddingService::Stub> stub_;

 private:
  std::atomic<uint64_t> next_seed_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const ClientOptions& options) {
  if (options.target.empty()) return absl::InvalidArgumentError("target is empty; it should be HOST:PORT");
  if (options.default_timeout <= Milliseconds(0)) return absl::InvalidArgumentError("default_timeout must be positive");
  if (options.max_message_bytes < kSmallestMessageLimit || options.max_message_bytes > INT32_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("max_message_bytes is ", options.max_message_bytes, ", not in ",
                                                   kSmallestMessageLimit, "..", INT32_MAX));
  }
  if (options.retry.max_attempts < 1) return absl::InvalidArgumentError("retry.max_attempts must be at least 1");
  if (absl::Status status = CheckCredentials(options); !status.ok()) return status;
  return std::unique_ptr<Client>(new Client(std::make_unique<Impl>(options)));
}

absl::StatusOr<EmbedReply> Client::Embed(const std::vector<Item>& items, const EmbedOptions& options,
                                         const CallOptions& call) {
  const CheckedItems checked(items, impl_->options_.max_message_bytes);
  EmbedReply reply;
  if (!checked.all_bad()) {
    v1::EmbedRequest request;
    v1::EmbedResponse response;
    ToWire(checked.good, options, &request);
    absl::Status status = impl_->Unary("Embed", &v1::EmbeddingService::Stub::Embed, request, call, &response);
    if (!status.ok()) return status;
    reply = FromWire(response);
  }
  if (absl::Status status = Merge(checked, &reply.results); !status.ok()) return status;
  return reply;
}

absl::StatusOr<BulkSummary> Client::EmbedAll(const ItemSource& source, const ResultSink& sink,
                                             const BulkOptions& options) {
  CallOptions call;
  if (options.timeout.has_value()) call.timeout = std::min(*options.timeout, impl_->options_.default_timeout);
  const auto model = GetModel(options.embed.model, call);
  if (!model.ok()) return model.status();
  BulkEnvironment environment;
  environment.open_stream = [this] { return OpenStream(); };
  environment.clock = &SystemClock();
  environment.retry = impl_->options_.retry;
  environment.seed = impl_->NextSeed();
  environment.max_message_bytes = SmallerLimit(impl_->options_.max_message_bytes, model->limits.max_message_bytes);
  environment.bytes_per_vector = BytesPerVector(options.embed, *model);
  environment.max_tokens = model->max_tokens;
  const BulkOptions bulk = WithinLimits(options, model->limits, environment.max_message_bytes);
  return BulkEmbedder(std::move(environment), bulk, source, sink).Run();
}

std::unique_ptr<EmbedStream> Client::OpenStream(std::optional<Milliseconds> timeout) {
  const SteadyTime deadline = timeout.has_value() ? std::chrono::steady_clock::now() + *timeout : SteadyTime::max();
  return NewEmbedStream(impl_->stub_.get(), deadline, impl_->Where("EmbedStream"), impl_->options_.api_key);
}

absl::StatusOr<TokenizeReply> Client::Tokenize(const std::vector<Item>& items, const TokenizeOptions& options,
                                               const CallOptions& call) {
  const CheckedItems checked(items, impl_->options_.max_message_bytes);
  TokenizeReply reply;
  if (!checked.all_bad()) {
    v1::TokenizeRequest request;
    v1::TokenizeResponse response;
    ToWire(checked.good, options, &request);
    absl::Status status = impl_->Unary("Tokenize", &v1::EmbeddingService::Stub::Tokenize, request, call, &response);
    if (!status.ok()) return status;
    reply = FromWire(response);
  }
  if (absl::Status status = Merge(checked, &reply.results); !status.ok()) return status;
  return reply;
}

absl::StatusOr<RankReply> Client::Rank(const Item& query, const std::vector<Item>& items, const RankOptions& options,
                                       const CallOptions& call) {
  v1::RankRequest request;
  v1::RankResponse response;
  absl::Status status = CheckItem(query, impl_->options_.max_message_bytes);
  if (status.ok()) status = CheckAll(items, impl_->options_.max_message_bytes);
  if (!status.ok()) return status;
  ToWire(options, &request);
  ToWire(query, request.mutable_query());
  for (const Item& item : items) ToWire(item, request.add_items());
  status = impl_->Unary("Rank", &v1::EmbeddingService::Stub::Rank, request, call, &response);
  if (!status.ok()) return status;
  return FromWire(response);
}

absl::StatusOr<SimilarityReply> Client::Similarity(const std::vector<Item>& items, const std::vector<Item>& others,
                                                   const SimilarityOptions& options, const CallOptions& call) {
  v1::SimilarityRequest request;
  v1::SimilarityResponse response;
  absl::Status status = CheckAll(items, impl_->options_.max_message_bytes);
  if (status.ok()) status = CheckAll(others, impl_->options_.max_message_bytes);
  if (!status.ok()) return status;
  ToWire(options, &request);
  for (const Item& item : items) ToWire(item, request.add_items());
  for (const Item& other : others) ToWire(other, request.add_others());
  status = impl_->Unary("Similarity", &v1::EmbeddingService::Stub::Similarity, request, call, &response);
  if (!status.ok()) return status;
  return FromWire(response);
}

absl::StatusOr<AttentionMap> Client::GetAttention(const Item& item, const AttentionOptions& options,
                                                  const CallOptions& call) {
  if (absl::Status fault = CheckItem(item, impl_->options_.max_message_bytes); !fault.ok()) return fault;
  v1::GetAttentionRequest request;
  ToWire(item, options, &request);
  const SteadyTime deadline = impl_->Deadline(call);
  AttentionMap map;
  absl::Status status = impl_->WithRetries(deadline, [&] { return impl_->ReadAttention(request, deadline, &map); });
  if (!status.ok()) return status;
  return map;
}

absl::StatusOr<std::vector<ModelInfo>> Client::ListModels(const CallOptions& call) {
  v1::ListModelsResponse response;
  absl::Status status =
      impl_->Unary("ListModels", &v1::EmbeddingService::Stub::ListModels, v1::ListModelsRequest(), call, &response);
  if (!status.ok()) return status;
  std::vector<ModelInfo> models;
  for (const v1::Model& model : response.models()) models.push_back(FromWire(model));
  return models;
}

absl::StatusOr<ModelInfo> Client::GetModel(const std::string& name, const CallOptions& call) {
  v1::GetModelRequest request;
  request.set_name(name);
  v1::Model response;
  absl::Status status = impl_->Unary("GetModel", &v1::EmbeddingService::Stub::GetModel, request, call, &response);
  if (!status.ok()) return status;
  return FromWire(response);
}

absl::StatusOr<ServingStatus> Client::Health(const std::string& service, const CallOptions& call) {
  return CheckHealth(impl_->channel_, service, impl_->Deadline(call), impl_->Where("Health"));
}

}  // namespace attendant::client
