// A connection to an Attendant server: every call of the contract, each with a deadline.
//
//   auto client = attendant::client::Client::Create({.target = "127.0.0.1:50051"});
//   auto reply = (*client)->Embed({"a text", TextPair{"a", "b"}}, {});
//
// - No call waits without end: each has a deadline (ClientOptions::default_timeout unless CallOptions says otherwise).
// - UNAVAILABLE, and RESOURCE_EXHAUSTED with a hint, are tried again inside that deadline (see retry.h).
// - An item that is wrong fails alone: look at EmbedResult::status, not only at the call's.
// It is not: a pool of connections, a cache.
// Thread-safety: all members of Client may be called from any thread at once. Streams: see EmbedStream; a stream must
// not outlive its client.
#ifndef ATTENDANT_CLIENT_LIB_CLIENT_H_
#define ATTENDANT_CLIENT_LIB_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/bulk.h"
#include "client/lib/embed_stream.h"
#include "client/lib/retry.h"
#include "client/lib/types.h"

namespace attendant::client {

// Contents of PEM files, not their names.
struct TlsOptions {
  bool enabled = false;
  std::string authorities{};  // whom to trust; empty: those that the system trusts
  std::string certificate{};  // of this client, with its key, for servers that want one
  std::string key{};
  std::string server_name{};  // what the server's certificate must be for, if not the target's host
};

struct ClientOptions {
  std::string target = "127.0.0.1:50051";  // HOST:PORT or any gRPC target
  std::string api_key{};                   // sent with every call but Health; empty: none
  TlsOptions tls{};
  Milliseconds default_timeout{30'000};
  RetryPolicy retry{};
  int64_t max_message_bytes = 64 << 20;     // of one message, sent or received
  int64_t max_attention_bytes = 256 << 20;  // of one collected attention answer
  // A server on one's own machines is rarely behind the proxy that http_proxy names; grpc would obey that variable.
  bool use_http_proxy = false;
  uint64_t jitter_seed = 0;  // 0: random
};

struct CallOptions {
  std::optional<Milliseconds> timeout{};  // unset: ClientOptions::default_timeout
};

class Client {
 public:
  // Connects lazily: an unreachable server shows in the first call. INVALID_ARGUMENT for contradictory options.
  static absl::StatusOr<std::unique_ptr<Client>> Create(const ClientOptions& options);
  ~Client();

  // Results are in the order of the items.
  absl::StatusOr<EmbedReply> Embed(const std::vector<Item>& items, const EmbedOptions& options,
                                   const CallOptions& call = {});

  // Any number of items in constant memory: see bulk.h.
  absl::StatusOr<BulkSummary> EmbedAll(const ItemSource& source, const ResultSink& sink, const BulkOptions& options);

  // The bare stream, for those who schedule their own requests. timeout unset: the stream has no deadline of its own,
  // every Next has one.
  std::unique_ptr<EmbedStream> OpenStream(std::optional<Milliseconds> timeout = std::nullopt);

  absl::StatusOr<TokenizeReply> Tokenize(const std::vector<Item>& items, const TokenizeOptions& options,
                                         const CallOptions& call = {});
  // Items by how alike they are to the query.
  absl::StatusOr<RankReply> Rank(const Item& query, const std::vector<Item>& items, const RankOptions& options,
                                 const CallOptions& call = {});
  // How alike the items are to the others; no others: to each other.
  absl::StatusOr<SimilarityReply> Similarity(const std::vector<Item>& items, const std::vector<Item>& others,
                                             const SimilarityOptions& options, const CallOptions& call = {});
  absl::StatusOr<AttentionMap> GetAttention(const Item& item, const AttentionOptions& options,
                                            const CallOptions& call = {});
  absl::StatusOr<std::vector<ModelInfo>> ListModels(const CallOptions& call = {});
  absl::StatusOr<ModelInfo> GetModel(const std::string& name, const CallOptions& call = {});

  // grpc.health.v1; service "": the server as a whole. Never tried again: a health check answers about now.
  absl::StatusOr<ServingStatus> Health(const std::string& service, const CallOptions& call = {});

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_CLIENT_H_
