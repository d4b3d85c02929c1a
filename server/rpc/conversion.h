// Between the contract's messages and the engine's plain data, with the exact path of every field that is wrong.
//
// It is not: the rules about texts and ids; those are the model's (ServedModel::Tokenize). Inputs are views into the
// messages, which the caller keeps alive. Thread-safety: free functions without state.
#ifndef ATTENDANT_SERVER_RPC_CONVERSION_H_
#define ATTENDANT_SERVER_RPC_CONVERSION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/embedder.h"
#include "server/rpc/limits.h"
#include "server/scheduling/service_class.h"
#include "server/security/caller.h"

namespace attendant {

namespace v1 {
class AttentionHeader;
class EmbedOptions;
class EmbedResult;
class GetAttentionRequest;
class Item;
class Model;
class TokenizeRequest;
class TokenizeResult;
}  // namespace v1

struct ModelStatus;

struct EmbedSettings {
  EmbedSpec spec;
  TokenizeOptions tokenize;
};

absl::StatusOr<EmbedSettings> ToEmbedSettings(const v1::EmbedOptions& options, const ModelInfo& model,
                                              const RequestLimits& limits);
absl::StatusOr<TokenizeOptions> ToTokenizeOptions(const v1::TokenizeRequest& request, const RequestLimits& limits);
absl::StatusOr<TokenizeOptions> ToTokenizeOptions(const v1::GetAttentionRequest& request, const RequestLimits& limits);

// A prompt_text is worked on again with each item, so a long one with many short items makes a small request a large
// piece of work. field: the prompt's. request_bytes: of the whole request.
absl::Status CheckPromptWork(const std::string& field, size_t prompt_bytes, int items, size_t request_bytes);

// Fields of the errors are relative to the item, "" for the item itself.
std::variant<Input, InputError> ToInput(const v1::Item& item, const RequestLimits& limits);

// The error with its field's full path: item_path ("items[3]") and the item's field, or options_path ("options.", or
// "") and the prompt's.
absl::Status ToItemError(const InputError& error, const std::string& item_path, const std::string& options_path);

// Layers and heads against the model; query rows against the tokenised item. Lists come out sorted.
absl::StatusOr<AttentionSpec> ToAttentionSpec(const v1::GetAttentionRequest& request, const ModelInfo& model);
absl::Status CheckQueryRows(const v1::GetAttentionRequest& request, int32_t num_tokens);

// value: a v1::ServiceClass, as it came. PERMISSION_DENIED when the caller's key does not give it.
absl::StatusOr<ServiceClass> ToServiceClass(int value, const Caller& caller, ServiceClass if_unspecified);

// values: [dimension] or [num_tokens, dimension].
void SetEmbedding(const std::vector<float>& values, const EmbedSpec& spec, int32_t num_tokens, v1::EmbedResult* result);

// Of a model that is not there (loading, failed) only the name and the state.
void SetModel(const ModelStatus& status, const RequestLimits& limits, v1::Model* message);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_CONVERSION_H_
