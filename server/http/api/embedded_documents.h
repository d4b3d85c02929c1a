// The files of documents/, which the build puts into the program (cmake/Embed.cmake makes the .cc of this).
#ifndef ATTENDANT_SERVER_HTTP_API_EMBEDDED_DOCUMENTS_H_
#define ATTENDANT_SERVER_HTTP_API_EMBEDDED_DOCUMENTS_H_

#include <string_view>

namespace attendant {

extern const std::string_view kDocsCss;
extern const std::string_view kDocsHtml;
extern const std::string_view kDocsJs;
extern const std::string_view kOpenapiJson;

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_EMBEDDED_DOCUMENTS_H_
