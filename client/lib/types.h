// The plain data of the client library: what goes into a call and what comes out of it.
//
// These are values without behaviour; no gRPC or protobuf type appears here, so a program that uses the library does
// not pay for their headers. Names and meanings follow proto/attendant/v1/embedding.proto.
// Thread-safety: as for any plain value.
#ifndef ATTENDANT_CLIENT_LIB_TYPES_H_
#define ATTENDANT_CLIENT_LIB_TYPES_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace attendant::client {

using SteadyTime = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;

struct TextPair {
  std::string first{};
  std::string second{};
};

// Ids are used by the server as they are; add_special_tokens puts the model's own around them.
struct TokenIds {
  std::vector<int32_t> input_ids{};
  std::vector<int32_t> token_type_ids{};  // empty, or as long as input_ids
  bool add_special_tokens = false;
};

// A std::string is a text.
using Item = std::variant<std::string, TextPair, TokenIds>;

enum class Pooling { kMean = 1, kCls, kMax, kMeanSqrtLen, kWeightedMean, kLastToken };
enum class Truncation { kModelDefault = 0, kError, kEnd, kStart, kWindow };
enum class Output { kPooled = 1, kTokens };
// kDefault: float32, read into EmbedResult::values. All others come as bytes, EmbedResult::packed.
enum class Encoding { kDefault = 0, kFloat32, kFloat16, kInt8, kUint8, kBinary, kUbinary };
enum class SimilarityFunction { kModelDefault = 0, kCosine, kDot, kEuclidean, kManhattan };
// How urgent a call is; the default is interactive, on a stream bulk.
enum class ServiceClass { kDefault = 0, kInteractive, kBulk };
enum class HeadReduction { kNone = 1, kMean, kMax };

// At most one of name and text; neither: the model's default prompt. An empty text means no prompt.
struct PromptOptions {
  std::optional<std::string> prompt_name{};
  std::optional<std::string> prompt_text{};
};

// With Truncation::kWindow.
struct WindowOptions {
  int32_t size = 0;                  // tokens; 0: the model's maximum
  std::optional<int32_t> overlap{};  // tokens of the text; unset: an eighth
  bool each = false;                 // one vector per window instead of their mean
};

struct EmbedOptions {
  std::string model{};              // empty: the server's default
  std::vector<Pooling> pooling{};   // empty: the model's own
  std::optional<bool> normalize{};  // unset: the model's own
  PromptOptions prompt{};
  Truncation truncation = Truncation::kModelDefault;
  Output output = Output::kPooled;
  bool include_metadata = false;
  ServiceClass service_class = ServiceClass::kDefault;
  Encoding encoding = Encoding::kDefault;
  int32_t dimensions = 0;  // vectors are cut to their first values; 0: whole
  bool allow_untrained_dimensions = false;
  std::optional<WindowOptions> window{};
};

// The outcome of one item. When status is not OK, field names what is wrong and the rest is empty.
struct EmbedResult {
  absl::Status status;
  std::string field;
  std::vector<float> values;
  std::vector<int32_t> shape;  // [dimension], or [num_tokens, dimension] for Output::kTokens
  int32_t tokens_used = 0;
  int32_t tokens_dropped = 0;
  std::string packed{};                 // instead of values, with an encoding
  std::optional<int32_t> dropped_at{};  // the code point of a text at which truncation cut it
};

// What one call cost in the server.
struct CallMetadata {
  int64_t tokenize_us = 0;
  int64_t queue_us = 0;
  int64_t compute_us = 0;
  int64_t total_us = 0;
  int32_t batch_items = 0;
  int32_t batch_tokens = 0;
  int32_t shared_items = 0;  // computed together with the same item of another call, or of this one
  int32_t cached_items = 0;  // known from before
};

struct EmbedReply {
  std::string model;
  std::string model_fingerprint;
  std::vector<EmbedResult> results;  // one per item, in the order of the items
  std::optional<CallMetadata> metadata;
  bool untrained_dimensions = false;  // cut to a size that the model was not trained for
};

struct RankOptions {
  std::string model{};
  int32_t top_k = 0;  // 0: all
  SimilarityFunction function = SimilarityFunction::kModelDefault;
  PromptOptions query_prompt{};  // unset: the model's "query" prompt, if it has one, else none
  PromptOptions item_prompt{};   // unset: its "document", "passage" or "corpus" prompt, else none
  Truncation truncation = Truncation::kModelDefault;
  int32_t dimensions = 0;
  bool allow_untrained_dimensions = false;
  ServiceClass service_class = ServiceClass::kDefault;
};

struct RankedItem {
  int32_t index = 0;
  float score = 0;
};

struct ItemFailure {
  int32_t index = 0;
  absl::Status status;
  std::string field;
};

struct RankReply {
  std::string model;
  std::string model_fingerprint;
  std::vector<RankedItem> results;    // best first; of equal ones the first item first
  std::vector<ItemFailure> failures;  // items without a score
};

struct SimilarityOptions {
  std::string model{};
  SimilarityFunction function = SimilarityFunction::kModelDefault;
  PromptOptions prompt{};
  PromptOptions others_prompt{};
  Truncation truncation = Truncation::kModelDefault;
  int32_t dimensions = 0;
  bool allow_untrained_dimensions = false;
  ServiceClass service_class = ServiceClass::kDefault;
};

struct SimilarityReply {
  std::string model;
  std::string model_fingerprint;
  int32_t rows = 0;
  int32_t columns = 0;
  std::vector<float> values;  // row-major; NaN where an item failed
  std::vector<ItemFailure> failures;
  std::vector<ItemFailure> others_failures;
};

struct Token {
  int32_t id = 0;
  std::string text;
  bool special = false;
  int32_t type_id = 0;
  int32_t start = 0;  // code points, half open
  int32_t end = 0;
};

struct TokenizeOptions {
  std::string model{};
  PromptOptions prompt{};
  Truncation truncation = Truncation::kModelDefault;
};

struct TokenizeResult {
  absl::Status status;
  std::string field;
  std::vector<Token> tokens;
  int32_t tokens_dropped = 0;
};

struct TokenizeReply {
  std::string model;
  std::string model_fingerprint;
  std::vector<TokenizeResult> results;
};

struct AttentionOptions {
  std::string model{};
  std::vector<int32_t> layers{};  // empty: all
  std::vector<int32_t> heads{};
  std::vector<int32_t> query_rows{};
  HeadReduction reduction = HeadReduction::kNone;
  PromptOptions prompt{};
  Truncation truncation = Truncation::kModelDefault;
  ServiceClass service_class = ServiceClass::kDefault;
};

struct AttentionMap {
  std::string model;
  std::string model_fingerprint;
  std::vector<Token> tokens;
  std::vector<int32_t> layers;
  std::vector<int32_t> heads;  // those answered, or reduced over
  std::vector<int32_t> query_rows;
  std::vector<int32_t> shape;  // [layers, heads (1 when reduced), query_rows, num_tokens]
  std::vector<float> values;
  int32_t tokens_dropped = 0;
};

struct Limits {
  int32_t max_items_per_request = 0;  // 0: the server did not say
  int32_t max_text_bytes = 0;
  int32_t max_tokens_per_item = 0;
  int64_t max_message_bytes = 0;
  int64_t max_attention_bytes = 0;
  int32_t max_in_flight_per_stream = 0;
};

// As in the contract; kUnknown: a server that does not say.
enum class ModelState { kUnknown = 0, kLoading, kReady, kDraining, kFailed };

struct ModelInfo {
  std::string name;
  std::string fingerprint;
  std::string architecture;
  std::string precision;
  std::string kernels;
  int32_t dimension = 0;
  int32_t hidden_size = 0;
  int32_t num_layers = 0;
  int32_t num_heads = 0;
  int32_t vocab_size = 0;
  int32_t max_tokens = 0;
  std::vector<Pooling> pooling;
  bool normalize = false;
  std::map<std::string, std::string> prompts;
  std::string default_prompt_name;
  Limits limits;
  ModelState state = ModelState::kUnknown;
  std::string state_reason;  // why it failed; of a model that is ready: why its last replacement was refused
  bool is_default = false;
  int64_t loaded_unix_ms = 0;
  bool matryoshka = false;  // trained so that vectors can be cut; with sizes: to these
  std::vector<int32_t> matryoshka_dimensions;
  SimilarityFunction similarity = SimilarityFunction::kModelDefault;  // kModelDefault: the server did not say
};

enum class ServingStatus { kUnknown = 0, kServing, kNotServing, kServiceUnknown };

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_TYPES_H_
