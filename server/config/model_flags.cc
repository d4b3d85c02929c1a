#include "server/config/model_flags.h"

#include <CLI/CLI.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "server/rpc/utf8.h"

namespace attendant {
namespace {

constexpr int64_t kPiB = int64_t{1} << 50;
constexpr int64_t kDayMs = 24LL * 3600 * 1000;

std::string CheckUtf8(const std::string& text) {
  return FirstInvalidUtf8(text).has_value() ? "it is not valid UTF-8" : "";
}

}  // namespace

void AddModelFlags(CLI::App& app, ModelSettings* settings, ModelFlags* flags) {
  const std::string group = "Model";
  app.add_option(
         "--model", flags->models,
         "A model: DIR, or NAME=DIR, of a Hugging Face or sentence-transformers directory; required. Several by "
         "repeating (separated by ; in the environment): the first is the default. Settings of one follow: "
         ",precision=P ,weight=W ,max-queued-tokens=N")
      ->type_name("[NAME=]DIR")
      ->allow_extra_args(false)
      ->delimiter(';')
      ->check(CheckUtf8)
      ->group(group);
  app.add_option("--model-name", flags->model_name,
                 "What clients call a single model that has no NAME (default: the directory's name)")
      ->check(CheckUtf8)
      ->type_name("NAME")
      ->group(group);
  app.add_option("--memory-limit", settings->memory_limit,
                 "Bytes of memory that a load may not exceed; 0: the cgroup's limit, if it has one")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, kPiB).description(""))
      ->group(group);
  app.add_flag("--self-check", settings->self_check,
               "Load the models, check what they compute (with golden vectors where there are some), say so and exit")
      ->group(group);
  app.add_option("--admin-address", settings->admin_address,
                 "Where to serve the admin service, which loads, swaps and unloads models; off for nowhere")
      ->default_str("off")
      ->type_name("ADDRESS")
      ->group("Network");
  app.add_option_function<int64_t>(
         "--watchdog-timeout-ms",
         [settings](const int64_t& ms) { settings->watchdog_timeout = std::chrono::milliseconds(ms); },
         "Work that has not moved for this long (or ten times as long as a batch should take) makes the server probe "
         "itself, and then say NOT_SERVING; 0: never")
      ->default_str(std::to_string(settings->watchdog_timeout.count()))
      ->type_name("N")
      ->check(CLI::Range(int64_t{0}, kDayMs).description(""))
      ->group("Operation");
}

absl::Status FinishModelFlags(const ModelFlags& flags, ModelSettings* settings) {
  if (settings->admin_address == "off") settings->admin_address.clear();
  if (flags.models.empty()) return absl::InvalidArgumentError("--model is required: the directory of a model");
  std::set<std::string> names;
  for (const std::string& text : flags.models) {
    auto spec = ParseModelSpec(text);
    if (!spec.ok()) return absl::InvalidArgumentError(absl::StrCat("--model ", text, ": ", spec.status().message()));
    if (!flags.model_name.empty()) {
      if (flags.models.size() > 1) {
        return absl::InvalidArgumentError("--model-name is for a single model; name several with --model NAME=DIR");
      }
      if (absl::Status status = CheckName(flags.model_name); !status.ok()) {
        return absl::InvalidArgumentError(absl::StrCat("--model-name: ", status.message()));
      }
      spec->name = flags.model_name;
    }
    if (!names.insert(spec->name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("--model: there are two models of the name ", spec->name, "; give them others with NAME=DIR"));
    }
    settings->specs.push_back(*std::move(spec));
  }
  return absl::OkStatus();
}

}  // namespace attendant
