// The methods of tei.v1 on the native flows: convert, run RunEmbed or RunTokenize, convert back.
//
// All have the shape of UnaryCall's flow; a stream runs them for each message. Thread-safety: as RunEmbed.
#ifndef ATTENDANT_SERVER_RPC_TEI_TEI_FLOWS_H_
#define ATTENDANT_SERVER_RPC_TEI_TEI_FLOWS_H_

#include <memory>

#include "server/rpc/service_core.h"
#include "server/rpc/tei/tei_services.h"
#include "tei/v1/tei.pb.h"

namespace attendant {

// What TEI's info tells; of a model, and of the server around it.
tei::v1::InfoResponse DescribeForTei(const ServiceCore& core, const TeiFacts& facts, const ModelInfo& info);

void RunTeiEmbed(const ServiceCore& core, CallContext call, const std::shared_ptr<const tei::v1::EmbedRequest>& request,
                 Done<tei::v1::EmbedResponse> done);
void RunTeiEmbedAll(const ServiceCore& core, CallContext call,
                    const std::shared_ptr<const tei::v1::EmbedAllRequest>& request,
                    Done<tei::v1::EmbedAllResponse> done);
void RunTeiTokenize(const ServiceCore& core, const CallContext& call,
                    const std::shared_ptr<const tei::v1::EncodeRequest>& request,
                    const Done<tei::v1::EncodeResponse>& done);
void RunTeiDecode(const ServiceCore& core, const CallContext& call,
                  const std::shared_ptr<const tei::v1::DecodeRequest>& request,
                  const Done<tei::v1::DecodeResponse>& done);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_TEI_TEI_FLOWS_H_
