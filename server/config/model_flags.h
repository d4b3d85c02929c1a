// The settings of models: which there are, how much memory they may take, how they are changed and watched at run time.
//
// Thread-safety: plain data; the functions belong to the parsing of one command line.
#ifndef ATTENDANT_SERVER_CONFIG_MODEL_FLAGS_H_
#define ATTENDANT_SERVER_CONFIG_MODEL_FLAGS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/models/model_spec.h"

namespace CLI {
class App;
}

namespace attendant {

struct ModelSettings {
  std::vector<ModelSpec> specs;                        // the first is the default
  int64_t memory_limit = 0;                            // bytes; 0: the cgroup's
  std::string admin_address;                           // empty: no admin listener
  std::chrono::milliseconds watchdog_timeout{10'000};  // 0: no watchdog
  bool self_check = false;                             // check the models, say so and exit
};

// What the flags leave behind until all of them are known.
struct ModelFlags {
  std::vector<std::string> models;
  std::string model_name;
};

// Both must stay where they are until the command line is parsed.
void AddModelFlags(CLI::App& app, ModelSettings* settings, ModelFlags* flags);

// INVALID_ARGUMENT names the flag.
absl::Status FinishModelFlags(const ModelFlags& flags, ModelSettings* settings);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_CONFIG_MODEL_FLAGS_H_
