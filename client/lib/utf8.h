// UTF-8 as protobuf's string fields demand it: shortest form, no surrogates, at most U+10FFFF.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_LIB_UTF8_H_
#define ATTENDANT_CLIENT_LIB_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace attendant::client {

// Decodes the code point at the front of text and removes it; absent, with text unchanged, when it is malformed.
// Precondition: text is not empty.
std::optional<uint32_t> TakeCodePoint(std::string_view& text);

// The number of leading bytes that are valid; text.size() when all are.
size_t ValidUtf8Prefix(std::string_view text);

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_UTF8_H_
