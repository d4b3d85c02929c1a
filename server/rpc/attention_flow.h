// One GetAttention request from message to tensor: validate, tokenise, check the byte budget, submit.
//
// It is not: the streaming of the tensor in chunks; that is the reactor's. Thread-safety: as RunEmbed (embed_flow.h).
#ifndef ATTENDANT_SERVER_RPC_ATTENTION_FLOW_H_
#define ATTENDANT_SERVER_RPC_ATTENTION_FLOW_H_

#include <memory>
#include <vector>

#include "attendant/v1/embedding.pb.h"
#include "server/rpc/service_core.h"

namespace attendant {

struct AttentionResponse {
  v1::AttentionHeader header;
  std::vector<float> values;  // flattened, of header.shape
};

void RunAttention(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::GetAttentionRequest> request,
                  Done<AttentionResponse> done);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_ATTENTION_FLOW_H_
