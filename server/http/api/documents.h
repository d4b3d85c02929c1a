// What the HTTP port says without being asked for work, and without a key: whether it is alive and ready, what its
// routes are (/openapi.json and a page that shows it), and the files of its pages.
//
// Thread-safety: Register before the server starts.
#ifndef ATTENDANT_SERVER_HTTP_API_DOCUMENTS_H_
#define ATTENDANT_SERVER_HTTP_API_DOCUMENTS_H_

#include <functional>

#include "server/http/http_server.h"
#include "server/http/page/assets.h"

namespace attendant {

void RegisterHealth(std::function<bool()> ready, HttpServer* server);
void RegisterDocuments(HttpServer* server);

// The page at "/", and any other file that does not change while the server runs; its views outlive the server.
void RegisterPage(HttpServer* server);
void RegisterFile(const Asset& file, HttpServer* server);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_DOCUMENTS_H_
