#include "tests/client/fake_server.h"

#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <numeric>
#include <utility>

#include "attendant/v1/embedding.grpc.pb.h"
#include "client/lib/wire.h"
#include "google/rpc/error.pb.h"

namespace attendant::client {
namespace {

uint64_t Hash(const std::string& bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

std::vector<float> FakeVector(const v1::Item& item) {
  uint64_t hash = Hash(item.SerializeAsString());
  std::vector<float> values;
  for (int i = 0; i < kFakeDimension; ++i, hash >>= 16)
    values.push_back(static_cast<float>(hash & 0xFFFF) / 65536.0f - 0.5f);
  return values;
}

grpc::Status ToStatus(const FakeFault& fault) {
  const auto code = static_cast<grpc::StatusCode>(fault.code);
  if (!fault.retry_after.has_value()) return grpc::Status(code, "injected");
  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  google::rpc::RetryInfo hint;
  hint.mutable_retry_delay()->set_seconds(fault.retry_after->count() / 1000);
  hint.mutable_retry_delay()->set_nanos(static_cast<int32_t>(fault.retry_after->count() % 1000 * 1'000'000));
  details.add_details()->PackFrom(hint);
  return grpc::Status(code, "injected", details.SerializeAsString());
}

}  // namespace

std::vector<float> FakeVector(const Item& item) {
  v1::Item wire;
  ToWire(item, &wire);
  return FakeVector(wire);
}

class FakeServer::Impl final : public v1::EmbeddingService::Service {
 public:
  explicit Impl(const std::string& address) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    int port = 0;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    address_ = "127.0.0.1:" + std::to_string(port);
    server_->GetHealthCheckService()->SetServingStatus("attendant.v1.EmbeddingService", true);
  }

  ~Impl() override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    server_->Shutdown(std::chrono::system_clock::now());
  }

  grpc::Status Embed(grpc::ServerContext* context, const v1::EmbedRequest* request,
                     v1::EmbedResponse* response) override {
    NoteCall(context);
    const std::optional<FakeFault> fault = TakeFault();
    if (fault.has_value() && fault->kind == FakeFault::Kind::kRefuse) return ToStatus(*fault);
    if (fault.has_value() && fault->kind == FakeFault::Kind::kHang) return Hang(context);
    if (request->items().empty()) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "items is empty");
    Answer(*request, fault, response);
    return grpc::Status::OK;
  }

  grpc::Status EmbedStream(grpc::ServerContext* context,
                           grpc::ServerReaderWriter<v1::EmbedStreamResponse, v1::EmbedStreamRequest>* stream) override {
    NoteCall(context);
    Note([this] { ++streams_; });
    std::deque<v1::EmbedStreamResponse> held;
    v1::EmbedStreamRequest request;
    while (stream->Read(&request)) {
      Note([this] { ++stream_requests_; });
      const std::optional<FakeFault> fault = TakeFault();
      if (fault.has_value() && fault->kind == FakeFault::Kind::kBreakStream) return ToStatus(*fault);
      if (fault.has_value() && fault->kind == FakeFault::Kind::kHang) return Hang(context);
      held.push_back(AnswerStream(request, fault));
      Note([this, &held] { most_in_flight_ = std::max(most_in_flight_, static_cast<int>(held.size())); });
      if (static_cast<int>(held.size()) >= reverse_group()) WriteHeld(&held, stream);
    }
    WriteHeld(&held, stream);
    return grpc::Status::OK;
  }

  grpc::Status GetAttention(grpc::ServerContext* context, const v1::GetAttentionRequest* request,
                            grpc::ServerWriter<v1::GetAttentionResponse>* writer) override {
    NoteCall(context);
    const std::optional<FakeFault> fault = TakeFault();
    if (fault.has_value() && fault->kind == FakeFault::Kind::kRefuse) return ToStatus(*fault);
    const bool gap = fault.has_value() && fault->kind == FakeFault::Kind::kAttentionGap;
    constexpr int kTokens = 5;
    const int layers = std::max(1, request->layers_size());
    const int heads = request->head_reduction() > v1::HEAD_REDUCTION_NONE ? 1 : 2;
    v1::GetAttentionResponse chunk;
    v1::AttentionHeader* header = chunk.mutable_header();
    header->set_model("fake");
    for (int i = 0; i < layers; ++i) header->add_layers(request->layers_size() > i ? request->layers(i) : i);
    for (int i = 0; i < 2; ++i) header->add_heads(i);
    for (int i = 0; i < kTokens; ++i) {
      header->add_query_rows(i);
      v1::Token* token = header->add_tokens();
      token->set_id(100 + i);
      token->set_text(i == 0 ? "[CLS]" : i == kTokens - 1 ? "[SEP]" : "##t" + std::to_string(i));
      token->set_special(i == 0 || i == kTokens - 1);
    }
    for (const int size : {layers, heads, kTokens, kTokens}) header->add_shape(size);
    const int row_count = layers * heads * kTokens;
    for (int row = 0; row < row_count; ++row) {
      chunk.set_offset(row * kTokens + (gap && row == 1 ? 1 : 0));
      for (int column = 0; column < kTokens; ++column) chunk.add_values(column == row % kTokens ? 0.6f : 0.1f);
      writer->Write(chunk);
      chunk.Clear();
    }
    return grpc::Status::OK;
  }

  grpc::Status Tokenize(grpc::ServerContext* context, const v1::TokenizeRequest* request,
                        v1::TokenizeResponse* response) override {
    NoteCall(context);
    const std::optional<FakeFault> fault = TakeFault();
    if (fault.has_value()) return ToStatus(*fault);
    for (const v1::Item& item : request->items()) {
      v1::TokenizeResult* result = response->add_results();
      if (!CheckText(item, response->results_size() - 1, result->mutable_status())) continue;
      result->clear_status();
      for (const char c : item.text()) {
        v1::Token* token = result->add_tokens();
        token->set_id(c);
        token->set_text(std::string(1, c));
        token->set_start(result->tokens_size() - 1);
        token->set_end(result->tokens_size());
      }
    }
    return grpc::Status::OK;
  }

  // By the dot product of FakeVector.
  grpc::Status Rank(grpc::ServerContext* context, const v1::RankRequest* request, v1::RankResponse* response) override {
    NoteCall(context);
    response->set_model("fake");
    response->set_model_fingerprint("f00d");
    const std::vector<float> query = FakeVector(request->query());
    for (int i = 0; i < request->items_size(); ++i) {
      v1::ItemStatus wrong;
      if (!CheckText(request->items(i), i, &wrong)) {
        response->add_failures()->set_index(i);
        *response->mutable_failures()->rbegin()->mutable_status() = wrong;
        continue;
      }
      const std::vector<float> item = FakeVector(request->items(i));
      v1::RankResult* result = response->add_results();
      result->set_index(i);
      result->set_score(std::inner_product(query.begin(), query.end(), item.begin(), 0.0f));
    }
    auto* results = response->mutable_results();
    std::stable_sort(results->begin(), results->end(),
                     [](const v1::RankResult& a, const v1::RankResult& b) { return a.score() > b.score(); });
    while (request->top_k() > 0 && results->size() > request->top_k()) results->RemoveLast();
    return grpc::Status::OK;
  }

  grpc::Status ListModels(grpc::ServerContext* context, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    NoteCall(context);
    FillModel(response->add_models());
    return grpc::Status::OK;
  }

  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest* request, v1::Model* response) override {
    if (!request->name().empty() && request->name() != "fake") {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "no model '" + request->name() + "'");
    }
    FillModel(response);
    return grpc::Status::OK;
  }

  template <typename Change>
  void Note(Change change) {
    std::lock_guard<std::mutex> lock(mutex_);
    change();
  }
  template <typename Look>
  auto See(Look look) const {
    std::lock_guard<std::mutex> lock(mutex_);
    return look();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<FakeFault> faults_;
  int skip_ = 0;
  int reverse_group_ = 1;
  Limits limits_;
  bool stopping_ = false;
  std::string fingerprint_ = "f00d";
  int calls_ = 0;
  int streams_ = 0;
  int stream_requests_ = 0;
  int largest_batch_ = 0;
  int most_in_flight_ = 0;
  std::optional<std::chrono::milliseconds> last_deadline_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;

 private:
  int reverse_group() const {
    return See([this] { return reverse_group_; });
  }

  void NoteCall(const grpc::ServerContext* context) {
    Note([this, context] {
      ++calls_;
      const auto left = context->deadline() - std::chrono::system_clock::now();
      last_deadline_.reset();
      if (left < std::chrono::hours(24 * 365)) {
        last_deadline_ = std::chrono::duration_cast<std::chrono::milliseconds>(left);
      }
    });
  }

  std::optional<FakeFault> TakeFault() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (skip_ > 0) {
      --skip_;
      return std::nullopt;
    }
    if (faults_.empty()) return std::nullopt;
    const FakeFault fault = faults_.front();
    faults_.pop_front();
    if (fault.kind == FakeFault::Kind::kOtherFingerprint) fingerprint_ = "beef";
    return fault;
  }

  // Looks often rather than waiting for a signal: gRPC's sync API has none for a caller that goes away.
  grpc::Status Hang(const grpc::ServerContext* context) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!stopping_ && !context->IsCancelled()) changed_.wait_for(lock, std::chrono::milliseconds(5));
    return grpc::Status::CANCELLED;
  }

  static bool CheckText(const v1::Item& item, int index, v1::ItemStatus* status) {
    const bool blank = item.has_text() && item.text().find_first_not_of(" \t") == std::string::npos;
    if (!blank) return true;
    const std::string name = "items[" + std::to_string(index) + "].text";
    status->set_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
    status->set_message(name + " is blank");
    status->set_field(name);
    return false;
  }

  void Answer(const v1::EmbedRequest& request, const std::optional<FakeFault>& fault, v1::EmbedResponse* response) {
    response->set_model("fake");
    Note([&] {
      response->set_model_fingerprint(fingerprint_);
      largest_batch_ = std::max(largest_batch_, request.items_size());
    });
    for (int i = 0; i < request.items_size(); ++i) {
      v1::EmbedResult* result = response->add_results();
      if (i == 0 && fault.has_value() && fault->kind == FakeFault::Kind::kItemUnavailable) {
        result->mutable_status()->set_code(static_cast<int>(absl::StatusCode::kUnavailable));
        continue;
      }
      v1::ItemStatus wrong;
      if (!CheckText(request.items(i), i, &wrong)) {
        *result->mutable_status() = wrong;
        continue;
      }
      const std::vector<float> values = FakeVector(request.items(i));
      const int rows = request.options().output() == v1::OUTPUT_TOKENS ? 2 : 1;
      for (int row = 0; row < rows; ++row)
        result->mutable_embedding()->mutable_values()->Add(values.begin(), values.end());
      if (rows == 2) result->mutable_embedding()->add_shape(rows);
      result->mutable_embedding()->add_shape(kFakeDimension);
      result->set_tokens_used(3);
    }
    if (request.include_metadata()) {
      response->mutable_metadata()->set_compute_us(700);
      response->mutable_metadata()->set_total_us(1000);
    }
    if (fault.has_value() && fault->kind == FakeFault::Kind::kDropResult) response->mutable_results()->RemoveLast();
  }

  v1::EmbedStreamResponse AnswerStream(const v1::EmbedStreamRequest& request, const std::optional<FakeFault>& fault) {
    v1::EmbedStreamResponse response;
    const bool unknown = fault.has_value() && fault->kind == FakeFault::Kind::kUnknownId;
    response.set_id(unknown ? "no such id" : request.id());
    if (fault.has_value() && fault->kind == FakeFault::Kind::kRefuse) {
      response.mutable_status()->set_code(static_cast<int>(fault->code));
      response.mutable_status()->set_message("injected");
      if (fault->retry_after.has_value()) response.set_retry_after_ms(fault->retry_after->count());
    } else {
      Answer(request.request(), fault, response.mutable_response());
    }
    return response;
  }

  template <typename Stream>
  static void WriteHeld(std::deque<v1::EmbedStreamResponse>* held, Stream* stream) {
    for (; !held->empty(); held->pop_back()) stream->Write(held->back());
  }

  void FillModel(v1::Model* model) const {
    model->set_name("fake");
    model->set_fingerprint("f00d");
    model->set_architecture("bert");
    model->set_precision("fp32");
    model->set_dimension(kFakeDimension);
    model->set_hidden_size(kFakeDimension);
    model->set_num_layers(2);
    model->set_num_heads(2);
    model->set_vocab_size(1000);
    model->set_max_tokens(64);
    model->add_pooling(v1::POOLING_MEAN);
    See([&] {
      model->mutable_limits()->set_max_items_per_request(limits_.max_items_per_request);
      model->mutable_limits()->set_max_message_bytes(limits_.max_message_bytes);
      model->mutable_limits()->set_max_in_flight_per_stream(limits_.max_in_flight_per_stream);
      return 0;
    });
  }
};

FakeServer::FakeServer() : FakeServer("127.0.0.1:0") {}
FakeServer::FakeServer(const std::string& address) : impl_(std::make_unique<Impl>(address)) {}
FakeServer::~FakeServer() = default;

std::string FakeServer::address() const { return impl_->address_; }

void FakeServer::AddFault(const FakeFault& fault, int times) {
  impl_->Note([&] { impl_->faults_.insert(impl_->faults_.end(), static_cast<size_t>(times), fault); });
}
void FakeServer::SkipBeforeFaults(int count) {
  impl_->Note([&] { impl_->skip_ = count; });
}
void FakeServer::AnswerInReverse(int group) {
  impl_->Note([&] { impl_->reverse_group_ = group; });
}
void FakeServer::SetLimits(const Limits& limits) {
  impl_->Note([&] { impl_->limits_ = limits; });
}
void FakeServer::SetServing(bool serving) { impl_->server_->GetHealthCheckService()->SetServingStatus(serving); }

int FakeServer::calls() const {
  return impl_->See([this] { return impl_->calls_; });
}
int FakeServer::streams() const {
  return impl_->See([this] { return impl_->streams_; });
}
int FakeServer::stream_requests() const {
  return impl_->See([this] { return impl_->stream_requests_; });
}
int FakeServer::largest_batch() const {
  return impl_->See([this] { return impl_->largest_batch_; });
}
int FakeServer::most_in_flight() const {
  return impl_->See([this] { return impl_->most_in_flight_; });
}
std::optional<std::chrono::milliseconds> FakeServer::last_deadline() const {
  return impl_->See([this] { return impl_->last_deadline_; });
}

}  // namespace attendant::client
