// Cohere's /v2/embed, in the types that its clients ask for.
//
// input_type chooses one of the model's prompts where it has one that is called so ("query" or "search_query" for
// search_query, "document", "passage" or "search_document" for search_document, ...); else its default one.
// Thread-safety: Register before the server starts. The core must outlive the server.
#ifndef ATTENDANT_SERVER_HTTP_API_COHERE_H_
#define ATTENDANT_SERVER_HTTP_API_COHERE_H_

#include "server/http/api/http_call.h"
#include "server/http/http_server.h"

namespace attendant {

void RegisterCohere(const HttpDoorCore& core, HttpServer* server);

// {"message": ...}
HttpResponse CohereError(const absl::Status& status);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_COHERE_H_
