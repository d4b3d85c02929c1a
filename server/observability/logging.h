// Structured logs on stderr: one line per event, as text (key=value) or JSON.
//
// It is not: a place for request contents; only sizes, codes and times are logged, never what a caller sent.
// Thread-safety: ConfigureLogging once at start, before other threads log; Log from any thread. Before that, events are
// written as text at level info.
#ifndef ATTENDANT_SERVER_OBSERVABILITY_LOGGING_H_
#define ATTENDANT_SERVER_OBSERVABILITY_LOGGING_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/status/status.h"

namespace attendant {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// "text"/"json" and "debug"/"info"/"warning"/"error"/"off"; INVALID_ARGUMENT lists what there is.
absl::Status ParseLogFormat(std::string_view text, LogFormat* format);
absl::Status ParseLogLevel(std::string_view text, LogLevel* level);

// A view: lives as long as the call that it is passed to.
class LogField {
 public:
  using Value = std::variant<std::string_view, int64_t, uint64_t, double, bool>;

  LogField(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  LogField(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, const std::string& value) : key_(key), value_(std::string_view(value)) {}
  LogField(std::string_view key, bool value) : key_(key), value_(value) {}
  template <typename T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) LogField(std::string_view key, T value)
      : key_(key), value_(Convert(value)) {}

  std::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  template <typename T>
  static Value Convert(T value) {
    if constexpr (std::is_floating_point_v<T>) {
      return static_cast<double>(value);
    } else if constexpr (std::is_signed_v<T>) {
      return static_cast<int64_t>(value);
    } else {
      return static_cast<uint64_t>(value);
    }
  }

  std::string_view key_;
  Value value_;
};

using LogFields = std::initializer_list<LogField>;

void ConfigureLogging(LogFormat format, LogLevel level);
bool LogEnabled(LogLevel level);

// event: a fixed lower-case sentence such as "server started"; what varies goes into the fields.
// Keys: snake_case, not "time", "level" or "event".
void Log(LogLevel level, std::string_view event, LogFields fields = {});

inline void LogInfo(std::string_view event, LogFields fields = {}) { Log(LogLevel::kInfo, event, fields); }
inline void LogWarning(std::string_view event, LogFields fields = {}) { Log(LogLevel::kWarning, event, fields); }
inline void LogError(std::string_view event, LogFields fields = {}) { Log(LogLevel::kError, event, fields); }

// One event as one line without its end, for tests; time as it is to appear.
std::string FormatLogLine(LogFormat format, std::string_view time, LogLevel level, std::string_view event,
                          LogFields fields);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_OBSERVABILITY_LOGGING_H_
