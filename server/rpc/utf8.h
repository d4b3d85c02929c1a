// Where a string stops being UTF-8. Thread-safety: free functions without state.
#ifndef ATTENDANT_SERVER_RPC_UTF8_H_
#define ATTENDANT_SERVER_RPC_UTF8_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace attendant {

// Bytes of the code point at the front of a text that is not empty; 0 when they are none (RFC 3629, table in section
// 4).
inline size_t Utf8SequenceLength(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool outside = (lead == 0xED && byte(1) >= 0xA0) || (lead == 0xF4 && byte(1) >= 0x90);
  return overlong || outside ? 0 : length;
}

// Position of the first byte that is not part of valid UTF-8.
inline std::optional<size_t> FirstInvalidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8SequenceLength(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_UTF8_H_
