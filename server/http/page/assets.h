// The files of the page at "/", as they are in this folder, inside the binary. The build makes the definition from
// them.
//
// It is not a server: whoever serves them decides about headers and caching. The page needs nothing from elsewhere, has
// no inline script and no inline style, so a Content-Security-Policy of "default-src 'self'" holds for it.
// Thread-safety: constants, alive as long as the process.
#ifndef ATTENDANT_SERVER_HTTP_PAGE_ASSETS_H_
#define ATTENDANT_SERVER_HTTP_PAGE_ASSETS_H_

#include <span>
#include <string_view>

namespace attendant {

struct Asset {
  std::string_view path;          // "/" for index.html, "/page/NAME" for every other file
  std::string_view content_type;  // of text, with its charset
  std::string_view body;
};

std::span<const Asset> Assets();

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_PAGE_ASSETS_H_
