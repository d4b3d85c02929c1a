// A ModelInferRequest of the Open Inference Protocol as what the native flows take: its tensors as items, its
// parameters as options. Everything that is wrong is an error of the whole request and names tensor, row and field.
//
// Thread-safety: free functions without state. The plan owns copies; nothing in it refers to the message.
#ifndef ATTENDANT_SERVER_RPC_INFERENCE_INFER_REQUEST_H_
#define ATTENDANT_SERVER_RPC_INFERENCE_INFER_REQUEST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "attendant/v1/embedding.pb.h"
#include "inference/grpc_service.pb.h"
#include "server/rpc/service_core.h"

namespace attendant {

// The tensors, in the order in which ModelMetadata lists them.
inline constexpr char kTextInput[] = "text";
inline constexpr char kIdsInput[] = "input_ids";
inline constexpr char kMaskInput[] = "attention_mask";
inline constexpr char kTypesInput[] = "token_type_ids";

enum class InferOutput { kSentenceEmbedding, kLastHiddenState, kAttentions, kAttentionMask };
inline constexpr int kNumInferOutputs = 4;
const char* InferOutputName(InferOutput output);  // "sentence_embedding", ...

// Contents of tensors: in the messages' lists, or as bytes beside them.
enum class Contents { kTyped, kRaw };

struct InferPlan {
  // With all outputs, so that one pass makes them; the model's own normalisation unless told otherwise.
  std::shared_ptr<v1::EmbedRequest> native;
  std::vector<InferOutput> outputs;          // each once, in the order asked for; at least one
  int64_t columns = 0;                       // of input_ids, to which outputs are padded; 0: texts came
  Contents contents = Contents::kRaw;        // of the answer, as of the request
  std::optional<Microseconds> timeout;
};

bool Wants(const InferPlan& plan, InferOutput output);

// Reserves the memory of the copies.
absl::StatusOr<InferPlan> PlanInfer(const RequestLimits& limits, Reservation* reservation,
                                    const inference::ModelInferRequest& request);

// There is one version of each model, "1"; no version means that one. NOT_FOUND for others.
inline constexpr char kOnlyVersion[] = "1";
absl::Status CheckVersion(const std::string& version);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_INFERENCE_INFER_REQUEST_H_
