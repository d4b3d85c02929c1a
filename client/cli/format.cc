#include "client/cli/format.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/lib/utf8.h"

namespace attendant::cli {
namespace {

bool IsControl(uint32_t code_point) { return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0); }

// The blocks that terminals draw two columns wide: Hangul Jamo, CJK and kana, Hangul, compatibility and full-width
// forms, emoji, the CJK extensions. Coarser than Unicode's own table, which is what a cut label needs.
int ColumnsOf(uint32_t code_point) {
  struct Range {
    uint32_t first, last;
  };
  constexpr Range kWide[] = {{0x1100, 0x115F},   {0x2E80, 0xA4CF},  {0xAC00, 0xD7A3}, {0xF900, 0xFAFF},
                             {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},  {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F},
                             {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
  const bool combining = code_point >= 0x300 && code_point <= 0x36F;
  if (combining) return 0;
  for (const Range& range : kWide) {
    if (code_point >= range.first && code_point <= range.last) return 2;
  }
  return 1;
}

// The next code point as it is shown: replaced by '?' where it cannot be.
struct Shown {
  std::string_view bytes;
  int columns;
};
Shown TakeShown(std::string_view& text) {
  const std::string_view before = text;
  const std::optional<uint32_t> code_point = client::TakeCodePoint(text);
  if (!code_point.has_value()) text.remove_prefix(1);
  if (!code_point.has_value() || IsControl(*code_point)) return {"?", 1};
  return {before.substr(0, before.size() - text.size()), ColumnsOf(*code_point)};
}

}  // namespace

std::string WithCommas(int64_t value) {
  std::string digits = std::to_string(value);
  const size_t first = digits.front() == '-' ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string Clock(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  char text[64];
  if (whole >= 3600) {
    std::snprintf(text, sizeof(text), "%lld:%02lld:%02lld", static_cast<long long>(whole / 3600),
                  static_cast<long long>(whole / 60 % 60), static_cast<long long>(whole % 60));
  } else {
    std::snprintf(text, sizeof(text), "%lld:%02lld", static_cast<long long>(whole / 60),
                  static_cast<long long>(whole % 60));
  }
  return text;
}

std::string ShortestFloat(float value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, result.ptr);
}

std::string Fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  return text;
}

std::string MillisecondsText(int64_t microseconds) {
  return Fixed(static_cast<double>(microseconds) / 1000.0, 2) + " ms";
}

int DisplayWidth(std::string_view text) {
  int columns = 0;
  while (!text.empty()) columns += TakeShown(text).columns;
  return columns;
}

std::string Shortened(std::string_view text, int width) {
  std::string clean;
  int columns = 0;
  size_t cut = 0;  // bytes of clean that leave room for the dots
  while (!text.empty()) {
    const Shown shown = TakeShown(text);
    if (columns + shown.columns > width) return width >= 3 ? clean.substr(0, cut) + "..." : clean.substr(0, cut);
    clean += shown.bytes;
    columns += shown.columns;
    if (columns + 3 <= width) cut = clean.size();
  }
  return clean;
}

std::string PaddedRight(std::string_view text, int width) {
  return std::string(text) + std::string(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
}

std::string PaddedLeft(std::string_view text, int width) {
  return std::string(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ') + std::string(text);
}

std::string JsonString(std::string_view text) {
  return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string ItemLabel(const client::Item& item) {
  if (const auto* text = std::get_if<std::string>(&item)) return *text;
  if (const auto* pair = std::get_if<client::TextPair>(&item)) return pair->first + " | " + pair->second;
  return std::to_string(std::get<client::TokenIds>(item).input_ids.size()) + " ids";
}

}  // namespace attendant::cli
