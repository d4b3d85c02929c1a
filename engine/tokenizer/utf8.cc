#include "engine/tokenizer/utf8.h"

#include <cstdint>
#include <cstring>

namespace attendant::utf8 {
namespace {

struct Sequence {
  size_t length;  // bytes of the character, or of its valid beginning
  bool valid;
};

// Judges the bytes at the front of a text that is not empty: which second bytes may follow a lead byte excludes
// overlong forms, surrogates and what lies above U+10FFFF.
Sequence Examine(const unsigned char* bytes, size_t size) {
  const unsigned char lead = bytes[0];
  if (lead < 0x80) return {1, true};
  size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {1, false};
  }
  for (size_t i = 1; i < length; ++i) {
    if (i >= size || bytes[i] < low || bytes[i] > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

const unsigned char* Bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

size_t ValidPrefix(std::string_view text) {
  size_t position = 0;
  while (position < text.size()) {
    uint64_t eight;
    while (position + sizeof(eight) <= text.size()) {
      std::memcpy(&eight, text.data() + position, sizeof(eight));
      if (eight & 0x8080808080808080u) break;
      position += sizeof(eight);
    }
    if (position == text.size()) break;
    const Sequence sequence = Examine(Bytes(text) + position, text.size() - position);
    if (!sequence.valid) return position;
    position += sequence.length;
  }
  return text.size();
}

std::string Repair(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  while (true) {
    const size_t valid = ValidPrefix(text);
    out.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) return out;
    out.append("\uFFFD");
    text.remove_prefix(Examine(Bytes(text), text.size()).length);
  }
}

void Append(char32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
    return;
  }
  if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | c >> 6));
  } else {
    if (c < 0x10000) {
      out.push_back(static_cast<char>(0xE0 | c >> 12));
    } else {
      out.push_back(static_cast<char>(0xF0 | c >> 18));
      out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
    }
    out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
  }
  out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
}

size_t CountCodePoints(std::string_view text) {
  size_t count = 0;
  for (const char byte : text) count += !IsContinuation(byte);
  return count;
}

}  // namespace attendant::utf8
