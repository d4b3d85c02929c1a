// One event as one line. A value of the text form is bare where that is unambiguous, and a JSON string otherwise, so
// both forms share one way of escaping, and no value, however hostile, can end a line or forge a field.
#include <cmath>
#include <string>
#include <string_view>
#include <variant>

#include "server/observability/logging.h"
#include "spdlog/fmt/fmt.h"

namespace attendant {
namespace {

// Bytes of the UTF-8 character at the start of text, or 0 when it is none: overlong forms, surrogates and what lies
// beyond U+10FFFF are none (Unicode 15, table 3-7).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool too_large = first == 0xF4 && byte(1) > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

void AppendControl(std::string* line, unsigned char character) {
  switch (character) {
    case '\n':
      line->append("\\n");
      return;
    case '\r':
      line->append("\\r");
      return;
    case '\t':
      line->append("\\t");
      return;
    default:
      line->append(fmt::format("\\u{:04x}", character));
  }
}

void AppendJsonString(std::string* line, std::string_view text) {
  line->push_back('"');
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const auto character = static_cast<unsigned char>(text[0]);
    if (length == 0) {
      line->append("\\ufffd");
    } else if (character < 0x20 || character == 0x7F) {
      AppendControl(line, character);
    } else {
      if (character == '"' || character == '\\') line->push_back('\\');
      line->append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  line->push_back('"');
}

bool IsBare(std::string_view text) {
  for (const char c : text) {
    const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter_or_digit && std::string_view("_-./:@+,%[]").find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

struct ValueWriter {
  std::string* line;
  LogFormat format;

  void operator()(std::string_view text) const {
    if (format == LogFormat::kText && IsBare(text)) {
      line->append(text);
    } else {
      AppendJsonString(line, text);
    }
  }
  void operator()(int64_t value) const { line->append(std::to_string(value)); }
  void operator()(uint64_t value) const { line->append(std::to_string(value)); }
  void operator()(bool value) const { line->append(value ? "true" : "false"); }
  void operator()(double value) const {
    // JSON has no word for these.
    line->append(std::isfinite(value) ? fmt::format("{}", value) : "null");
  }
};

void AppendField(std::string* line, LogFormat format, const LogField& field) {
  if (format == LogFormat::kJson) {
    line->push_back(line->empty() ? '{' : ',');
    AppendJsonString(line, field.key());
    line->push_back(':');
  } else {
    if (!line->empty()) line->push_back(' ');
    line->append(field.key());
    line->push_back('=');
  }
  std::visit(ValueWriter{line, format}, field.value());
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      break;
  }
  return "off";
}

}  // namespace

std::string FormatLogLine(LogFormat format, std::string_view time, LogLevel level, std::string_view event,
                          LogFields fields) {
  std::string line;
  AppendField(&line, format, {"time", time});
  AppendField(&line, format, {"level", LevelName(level)});
  AppendField(&line, format, {"event", event});
  for (const LogField& field : fields) AppendField(&line, format, field);
  if (format == LogFormat::kJson) line.push_back('}');
  return line;
}

}  // namespace attendant
