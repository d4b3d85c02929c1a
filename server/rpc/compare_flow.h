// Rank and Similarity from message to message: embed what is not a vector yet, in one call to the scheduler, then
// compare.
//
// Scores depend on the two vectors and the function only; of equal ones the first item comes first.
// It is not: tied to gRPC; nor an index: every call compares everything it brings.
// Thread-safety: as RunEmbed. `done` is called exactly once.
#ifndef ATTENDANT_SERVER_RPC_COMPARE_FLOW_H_
#define ATTENDANT_SERVER_RPC_COMPARE_FLOW_H_

#include <memory>

#include "attendant/v1/embedding.pb.h"
#include "server/rpc/service_core.h"

namespace attendant {

void RunRank(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::RankRequest> request,
             Done<v1::RankResponse> done);

void RunSimilarity(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::SimilarityRequest> request,
                   Done<v1::SimilarityResponse> done);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_COMPARE_FLOW_H_
