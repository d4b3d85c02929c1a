#include "server/models/model_spec.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr size_t kMaxNameBytes = 128;
// Beyond this a share is as good as all or nothing.
constexpr double kMaxWeight = 1000;

// Where the settings begin: at the first ",word=".
size_t SettingsStart(std::string_view text) {
  for (size_t comma = text.find(','); comma != std::string_view::npos; comma = text.find(',', comma + 1)) {
    const size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-_", comma + 1);
    if (end != std::string_view::npos && end > comma + 1 && text[end] == '=') return comma;
  }
  return text.size();
}

absl::Status ReadSetting(std::string_view key, std::string_view value, ModelSpec* spec) {
  const std::string text(value);
  if (key == "precision") {
    if (absl::Status status = CheckPrecision(text); !status.ok() || text.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("precision=", text, ": use fp32, bf16, int8 or auto"));
    }
    spec->precision = text;
    return absl::OkStatus();
  }
  if (key == "weight") {
    if (!absl::SimpleAtod(text, &spec->quota.weight)) spec->quota.weight = -1;
    return CheckQuota(spec->quota);
  }
  if (key == "max-queued-tokens") {
    if (!absl::SimpleAtoi(text, &spec->quota.max_queued_tokens)) spec->quota.max_queued_tokens = -1;
    return CheckQuota(spec->quota);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no setting ", std::string(key), "; there are precision, weight and max-queued-tokens"));
}

absl::Status ReadSettings(std::string_view settings, ModelSpec* spec) {
  while (!settings.empty()) {
    settings.remove_prefix(1);  // the comma
    const std::string_view setting = settings.substr(0, settings.find(','));
    settings.remove_prefix(setting.size());
    const size_t equals = setting.find('=');
    if (equals == std::string_view::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", std::string(setting), "\" is not of the form setting=value"));
    }
    absl::Status status = ReadSetting(setting.substr(0, equals), setting.substr(equals + 1), spec);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelSpec> ParseModelSpec(std::string_view text) {
  ModelSpec spec;
  const size_t settings = SettingsStart(text);
  const std::string_view model = text.substr(0, settings);
  const size_t equals = model.find('=');
  const bool named = equals != std::string_view::npos && model[0] != '/' && model[0] != '.';
  spec.directory = std::string(named ? model.substr(equals + 1) : model);
  if (spec.directory.empty()) return absl::InvalidArgumentError("the model's directory is empty");
  spec.name = named ? std::string(model.substr(0, equals)) : DirectoryName(spec.directory);
  if (absl::Status status = CheckName(spec.name); !status.ok()) return status;
  if (absl::Status status = ReadSettings(text.substr(settings), &spec); !status.ok()) return status;
  return spec;
}

std::string DirectoryName(const std::string& directory) {
  const std::filesystem::path path = std::filesystem::path(directory).lexically_normal();
  const std::string name = path.filename().string();
  return name.empty() ? path.parent_path().filename().string() : name;
}

absl::Status CheckName(std::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("a model's name must not be empty");
  if (name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a model's name has at most ", kMaxNameBytes, " bytes"));
  }
  const bool control = std::any_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
  return control ? absl::InvalidArgumentError("a model's name has no control characters") : absl::OkStatus();
}

absl::Status CheckPrecision(std::string_view precision) {
  for (const char* known : {"", "fp32", "bf16", "int8", "auto"}) {
    if (precision == known) return absl::OkStatus();
  }
  return absl::InvalidArgumentError("unknown precision: use fp32, bf16, int8 or auto");
}

absl::Status CheckQuota(const ModelQuota& quota) {
  if (!(quota.weight > 0 && quota.weight <= kMaxWeight)) {
    return absl::InvalidArgumentError(absl::StrCat("a model's weight is a number above 0 and at most ", kMaxWeight));
  }
  if (quota.max_queued_tokens < 1) {
    return absl::InvalidArgumentError("a model's max-queued-tokens is a number of tokens above 0");
  }
  return absl::OkStatus();
}

}  // namespace attendant
