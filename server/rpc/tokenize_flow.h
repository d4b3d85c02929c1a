// One Tokenize request from message to message. Runs to its end on the caller's thread; may be called from any.
#ifndef ATTENDANT_SERVER_RPC_TOKENIZE_FLOW_H_
#define ATTENDANT_SERVER_RPC_TOKENIZE_FLOW_H_

#include "attendant/v1/embedding.pb.h"
#include "server/rpc/service_core.h"

namespace attendant {

Outcome<v1::TokenizeResponse> RunTokenize(const ServiceCore& core, const CallContext& call,
                                          const v1::TokenizeRequest& request);

// What a token looks like to a client; also used by GetAttention.
void AddTokens(const ServedModel& model, const TokenizedItem& item, google::protobuf::RepeatedPtrField<v1::Token>* out);

// Bytes that a Token of a message takes in memory, with its text.
inline constexpr int64_t kTokenMessageBytes = 128;

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_TOKENIZE_FLOW_H_
