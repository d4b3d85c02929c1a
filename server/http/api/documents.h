// What the HTTP port says without being asked for work, and without a key: whether it is alive and ready, what its
// routes are (/openapi.json and a page that shows it), and the files of its pages.
//
// Thread-safety: Register before the server starts.
#ifndef ATTENDANT_SERVER_HTTP_API_DOCUMENTS_H_
#define ATTENDANT_SERVER_HTTP_API_DOCUMENTS_H_

#include <functional>
#include <string_view>

#include "server/http/http_server.h"

namespace attendant {

void RegisterHealth(std::function<bool()> ready, HttpServer* server);
void RegisterDocuments(HttpServer* server);

// A file that does not change while the server runs; the views outlive it.
struct StaticFile {
  std::string_view path;
  std::string_view content_type;
  std::string_view body;
};
void RegisterFile(const StaticFile& file, HttpServer* server);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_DOCUMENTS_H_
