#include "server/observability/logging.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "spdlog/fmt/chrono.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace attendant {
namespace {

std::atomic<LogFormat> log_format{LogFormat::kText};
std::atomic<LogLevel> log_level{LogLevel::kInfo};

// The sink writes a line in one piece and flushes it; the line itself is ours.
spdlog::logger& Logger() {
  static spdlog::logger* const logger = [] {
    // Never destroyed: threads may log until the process ends.
    auto* made = new spdlog::logger("attendant", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

std::string Now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - seconds).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(seconds.count())), ms);
}

absl::Status UnknownWord(std::string_view text, const char* what, const char* known) {
  return absl::InvalidArgumentError(absl::StrCat("unknown ", what, " \"", std::string(text), "\"; there is ", known));
}

}  // namespace

absl::Status ParseLogFormat(std::string_view text, LogFormat* format) {
  if (text == "text") {
    *format = LogFormat::kText;
  } else if (text == "json") {
    *format = LogFormat::kJson;
  } else {
    return UnknownWord(text, "log format", "text, json");
  }
  return absl::OkStatus();
}

absl::Status ParseLogLevel(std::string_view text, LogLevel* level) {
  static constexpr std::pair<std::string_view, LogLevel> kLevels[] = {{"debug", LogLevel::kDebug},
                                                                      {"info", LogLevel::kInfo},
                                                                      {"warning", LogLevel::kWarning},
                                                                      {"error", LogLevel::kError},
                                                                      {"off", LogLevel::kOff}};
  for (const auto& [name, value] : kLevels) {
    if (name != text) continue;
    *level = value;
    return absl::OkStatus();
  }
  return UnknownWord(text, "log level", "debug, info, warning, error, off");
}

void ConfigureLogging(LogFormat format, LogLevel level) {
  log_format = format;
  log_level = level;
}

bool LogEnabled(LogLevel level) { return level >= log_level && level != LogLevel::kOff; }

void Log(LogLevel level, std::string_view event, LogFields fields) {
  if (!LogEnabled(level)) return;
  const std::string line = FormatLogLine(log_format, Now(), level, event, fields);
  Logger().log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace attendant
