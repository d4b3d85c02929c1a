// Between the contract's messages and the engine's plain data, with the exact path of every field that is wrong.
//
// It is not: the rules about texts and ids; those are the model's (ServedModel::Tokenize). Inputs are views into the
// messages, which the caller keeps alive. Thread-safety: free functions without state.
#ifndef ATTENDANT_SERVER_RPC_CONVERSION_H_
#define ATTENDANT_SERVER_RPC_CONVERSION_H_

#include <array>
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
class AttentionSelection;
class EmbedOptions;
class GetAttentionRequest;
class Item;
class Model;
class TokenizeRequest;
class TokenizeResult;
enum SimilarityFunction : int;
}  // namespace v1

struct ModelStatus;

absl::StatusOr<TokenizeOptions> ToTokenizeOptions(const v1::TokenizeRequest& request, const RequestLimits& limits);
absl::StatusOr<TokenizeOptions> ToTokenizeOptions(const v1::GetAttentionRequest& request, const RequestLimits& limits);
// Those of an EmbedRequest, with "options." before the fields of errors.
absl::StatusOr<TokenizeOptions> ToTokenizeOptions(const v1::EmbedOptions& options, const RequestLimits& limits);

// A prompt_text is worked on again with each item, so a long one with many short items makes a small request a large
// piece of work. field: the prompt's. request_bytes: of the whole request.
absl::Status CheckPromptWork(const std::string& field, size_t prompt_bytes, int items, size_t request_bytes);

// Fields of the errors are relative to the item, "" for the item itself.
std::variant<Input, InputError> ToInput(const v1::Item& item, const RequestLimits& limits);

// The error with its field's full path: item_path ("items[3]") and the item's field, or options_path ("options.", or
// "") and the prompt's.
absl::Status ToItemError(const InputError& error, const std::string& item_path, const std::string& options_path);

// Layers and heads against the model; query rows against the tokenised item. Lists come out sorted. The errors' fields
// begin with prefix.
absl::StatusOr<AttentionSpec> ToAttentionSpec(const v1::GetAttentionRequest& request, const ModelInfo& model);
absl::StatusOr<AttentionSpec> ToAttentionSpec(const v1::AttentionSelection& selection, const ModelInfo& model,
                                              const std::string& prefix);
absl::Status CheckQueryRows(const v1::GetAttentionRequest& request, int32_t num_tokens);
absl::Status CheckQueryRows(const v1::AttentionSelection& selection, int32_t num_tokens, const std::string& prefix);
// [layers, heads (1 if reduced), query_rows, num_tokens].
std::array<int32_t, 4> AttentionShape(const AttentionSpec& spec, const ModelInfo& model, int32_t num_tokens);

// value: a v1::SimilarityFunction, as it came. Unspecified is the model's own.
absl::StatusOr<SimilarityFunction> ToSimilarityFunction(int value, const ModelInfo& model);
v1::SimilarityFunction ToProto(SimilarityFunction function);

// value: a v1::ServiceClass, as it came. PERMISSION_DENIED when the caller's key does not give it.
absl::StatusOr<ServiceClass> ToServiceClass(int value, const Caller& caller, ServiceClass if_unspecified);

// Of a model that is not there (loading, failed) only the name and the state.
void SetModel(const ModelStatus& status, const RequestLimits& limits, v1::Model* message);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_CONVERSION_H_
