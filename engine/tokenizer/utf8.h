// UTF-8: checking, repairing, decoding, encoding. Texts are checked once at the border; everything behind it decodes
// without checks.
//
// Repair replaces each maximal run of bytes that could have begun a character and did not, or single stray byte, by one
// U+FFFD (the rule of the WHATWG, of Rust's from_utf8_lossy and of Python's errors="replace").
// Thread-safety: pure functions.
#ifndef ATTENDANT_ENGINE_TOKENIZER_UTF8_H_
#define ATTENDANT_ENGINE_TOKENIZER_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace attendant::utf8 {

// Length of the longest prefix that is valid UTF-8.
size_t ValidPrefix(std::string_view text);

// The text with what is not UTF-8 replaced.
std::string Repair(std::string_view text);

// Appends a code point that is not a surrogate.
void Append(char32_t code_point, std::string& out);

// Decodes the code point at position, which must be the first byte of one in valid UTF-8, and moves position behind it.
inline char32_t Next(std::string_view text, size_t& position) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const char32_t lead = byte(0);
  if (lead < 0x80) {
    position += 1;
    return lead;
  }
  if (lead < 0xE0) {
    const char32_t c = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    position += 2;
    return c;
  }
  if (lead < 0xF0) {
    const char32_t c = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    position += 3;
    return c;
  }
  const char32_t c = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  position += 4;
  return c;
}

inline bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Decodes the code point that ends before position > 0 and moves position to its first byte.
inline char32_t Previous(std::string_view text, size_t& position) {
  do --position;
  while (IsContinuation(text[position]));
  size_t copy = position;
  return Next(text, copy);
}

// Number of code points in valid UTF-8.
size_t CountCodePoints(std::string_view text);

}  // namespace attendant::utf8

#endif  // ATTENDANT_ENGINE_TOKENIZER_UTF8_H_
