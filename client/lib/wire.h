// Between the plain types and the protobuf messages; nothing else.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_LIB_WIRE_H_
#define ATTENDANT_CLIENT_LIB_WIRE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "attendant/v1/embedding.pb.h"
#include "client/lib/types.h"

namespace attendant::client {

void ToWire(const Item& item, v1::Item* out);
void ToWire(const std::vector<const Item*>& items, const EmbedOptions& options, v1::EmbedRequest* out);
void ToWire(const std::vector<const Item*>& items, const TokenizeOptions& options, v1::TokenizeRequest* out);
void ToWire(const RankOptions& options, v1::RankRequest* out);              // all but the items
void ToWire(const SimilarityOptions& options, v1::SimilarityRequest* out);  // all but the items
void ToWire(const Item& item, const AttentionOptions& options, v1::GetAttentionRequest* out);

absl::Status FromWire(const v1::ItemStatus& status);
EmbedReply FromWire(const v1::EmbedResponse& response);
TokenizeReply FromWire(const v1::TokenizeResponse& response);
RankReply FromWire(const v1::RankResponse& response);
SimilarityReply FromWire(const v1::SimilarityResponse& response);
ModelInfo FromWire(const v1::Model& model);
// Everything but the values, which come in chunks.
AttentionMap FromWire(const v1::AttentionHeader& header);

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_WIRE_H_
