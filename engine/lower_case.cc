#include "engine/lower_case.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace attendant {
namespace {

constexpr int32_t kCapitalSigma = 0x3A3;
constexpr int32_t kFinalSigma = 0x3C2;
constexpr int32_t kCapitalIWithDot = 0x130;

struct Unit {
  int32_t code_point;  // negative: this one byte is not UTF-8
  std::string_view bytes;
};

std::vector<Unit> Decode(std::string_view text) {
  std::vector<Unit> units;
  units.reserve(text.size());
  while (!text.empty()) {
    int32_t code_point = -1;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &code_point);
    const size_t length = size > 0 ? static_cast<size_t>(size) : 1;
    units.push_back({size > 0 ? code_point : -1, text.substr(0, length)});
    text.remove_prefix(length);
  }
  return units;
}

bool IsCased(int32_t c) {
  const auto category = utf8proc_category(c);
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL || category == UTF8PROC_CATEGORY_LT;
}

bool IsCaseIgnorable(int32_t c) {
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      // Word_Break MidLetter, MidNumLet and Single_Quote.
      return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027;
  }
}

// A sigma is final when a cased letter comes before it and none after it, case-ignorable characters set aside. `cased`
// says whether the nearest character before that is not case-ignorable is cased, so the way back is never walked.
bool IsFinalSigma(const std::vector<Unit>& units, size_t at, bool cased) {
  if (!cased) return false;
  for (size_t i = at + 1; i < units.size(); ++i) {
    if (units[i].code_point >= 0 && IsCaseIgnorable(units[i].code_point)) continue;
    return units[i].code_point < 0 || !IsCased(units[i].code_point);
  }
  return true;
}

void Append(int32_t code_point, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(code_point, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

}  // namespace

std::string LowerCase(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
    std::string lower(text);
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    return lower;
  }
  const std::vector<Unit> units = Decode(text);
  std::string out;
  out.reserve(text.size());
  bool cased = false;
  for (size_t i = 0; i < units.size(); ++i) {
    const int32_t c = units[i].code_point;
    if (c < 0) {
      out.append(units[i].bytes);
    } else if (c == kCapitalSigma && IsFinalSigma(units, i, cased)) {
      Append(kFinalSigma, out);
    } else if (c == kCapitalIWithDot) {
      out.append("i\xCC\x87");
    } else {
      Append(utf8proc_tolower(c), out);
    }
    if (c < 0 || !IsCaseIgnorable(c)) cased = c >= 0 && IsCased(c);
  }
  return out;
}

bool IsBlank(std::string_view text) {
  while (!text.empty()) {
    int32_t c = -1;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &c);
    if (size <= 0) return false;
    const bool space = (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
                       (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
                       c == 0x3000;
    if (!space) return false;
    text.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

}  // namespace attendant
