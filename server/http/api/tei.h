// TEI's HTTP routes: /embed, /embed_all, /tokenize, /decode, /info, /health and their like, in its shapes.
//
// What needs a model with another head (/predict, /rerank, /embed_sparse) is refused as TEI refuses it: 424.
// Thread-safety: Register before the server starts. The core must outlive the server.
#ifndef ATTENDANT_SERVER_HTTP_API_TEI_H_
#define ATTENDANT_SERVER_HTTP_API_TEI_H_

#include <functional>

#include "server/http/api/http_call.h"
#include "server/http/http_server.h"
#include "server/rpc/tei/tei_services.h"

namespace attendant {

// facts: outlive the server. ready: for /health.
void RegisterTei(const HttpDoorCore& core, const TeiFacts& facts, std::function<bool()> ready, HttpServer* server);

// {"error": ..., "error_type": ...}
HttpResponse TeiError(const absl::Status& status);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_TEI_H_
