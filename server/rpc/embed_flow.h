// One Embed request from message to message: validate, tokenise, submit, collect. Embed and EmbedStream both end here.
//
// It is not: tied to gRPC. Thread-safety: Run may be called from any thread; it validates and tokenises on that thread.
// `done` is called exactly once, on that thread or on a scheduler's worker.
#ifndef ATTENDANT_SERVER_RPC_EMBED_FLOW_H_
#define ATTENDANT_SERVER_RPC_EMBED_FLOW_H_

#include <functional>
#include <memory>
#include <string>

#include "attendant/v1/embedding.pb.h"
#include "server/rpc/service_core.h"

namespace attendant {

void RunEmbed(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::EmbedRequest> request,
              Done<v1::EmbedResponse> done);

// For flows that embed two lists on their way to something else: the items that come first have their own prompt, and
// items have another path in errors than "items[i]".
struct EmbedLists {
  int first_items = 0;
  TokenizeOptions first;
  std::function<std::string(int)> path;
};
void RunEmbedLists(const ServiceCore& core, CallContext call, std::shared_ptr<const v1::EmbedRequest> request,
                   EmbedLists lists, Done<v1::EmbedResponse> done);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_EMBED_FLOW_H_
