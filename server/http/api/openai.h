// OpenAI's /v1/embeddings and /v1/models, so that its clients work here as they are.
//
// Token ids are taken only from callers that say whose they are: OpenAI's clients send those of OpenAI's vocabulary,
// which name other words here, and the vectors would be wrong without anybody noticing. docs/decisions/0011.
// Thread-safety: Register before the server starts. The core must outlive the server.
#ifndef ATTENDANT_SERVER_HTTP_API_OPENAI_H_
#define ATTENDANT_SERVER_HTTP_API_OPENAI_H_

#include "server/http/api/http_call.h"
#include "server/http/http_server.h"

namespace attendant {

void RegisterOpenAi(const HttpDoorCore& core, HttpServer* server);

// {"error": {"message", "type", "param", "code"}}.
HttpResponse OpenAiError(const absl::Status& status);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_OPENAI_H_
