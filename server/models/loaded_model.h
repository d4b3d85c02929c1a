// A model that is in memory and can serve: what the services ask it, what the scheduler runs, and facts about it.
//
// Immutable once published, and shared: each call holds the one that it began with (ModelRef) to its end, so replacing
// a model never changes it under a call; the last holder frees it. Thread-safety: const members from any thread.
#ifndef ATTENDANT_SERVER_MODELS_LOADED_MODEL_H_
#define ATTENDANT_SERVER_MODELS_LOADED_MODEL_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "server/models/model_spec.h"
#include "server/models/served_model.h"
#include "server/scheduling/model_runtime.h"

namespace attendant {

struct LoadedModel {
  ModelSpec spec;
  // Of the directory's files when they were read; a different one now means that they have changed.
  std::string directory_stamp;
  std::chrono::system_clock::time_point loaded_at;
  std::chrono::milliseconds load_time{0};
  int64_t memory_bytes = 0;          // as estimated before loading; 0: unknown
  std::string self_check;            // what it passed, for the log
  std::string replaced_fingerprint;  // of the model whose place it has taken; "" when there was none

  // In the order of dependence: the last uses the first and goes first.
  std::shared_ptr<const Embedder> embedder;  // null in tests with a fake
  std::unique_ptr<const ServedModel> served;
  std::unique_ptr<ModelRuntime> runtime;

  const ModelInfo& info() const { return served->info(); }
};

using ModelRef = std::shared_ptr<const LoadedModel>;

// The model's runtime, for a WorkCall, which thereby holds the whole model.
inline std::shared_ptr<ModelRuntime> RuntimeOf(const ModelRef& model) {
  return std::shared_ptr<ModelRuntime>(model, model->runtime.get());
}

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_LOADED_MODEL_H_
