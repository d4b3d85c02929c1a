// Loads, swaps and unloads models while others serve: one change at a time, and never a bad model in place of a good
// one.
//
// A load is: is there memory for it (before anything is read), load beside what serves, self-check, cut over atomically
// (ModelRegistry::Publish). Whatever fails before the cut-over leaves things as they were; the reason is in the answer,
// in the log and in ListModels. Thread-safety: every member from any thread; a change that would have to wait for
// another one is refused with ABORTED, except Apply, which waits.
#ifndef ATTENDANT_SERVER_MODELS_MODEL_MANAGER_H_
#define ATTENDANT_SERVER_MODELS_MODEL_MANAGER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/memory_limit.h"
#include "server/models/model_loader.h"
#include "server/models/model_registry.h"

namespace attendant {

struct ModelManagerOptions {
  MemoryLimit memory;
  std::function<int64_t()> used_bytes;  // of the memory, now; unset: ResidentBytes
  int load_threads = 1;                 // while others serve
};

class ModelManager {
 public:
  // Both outlive it.
  ModelManager(const ModelLoader* loader, ModelRegistry* registry, ModelManagerOptions options);

  // At start, with all threads, before anything serves; the first is the default. The first failure ends it.
  absl::Status LoadAll(const std::vector<ModelSpec>& specs, int load_threads);

  // A new name. ALREADY_EXISTS when there is one.
  absl::StatusOr<ModelRef> Load(const ModelSpec& spec);
  // A new directory (or the same one, with new files) for a name that is there; else NOT_FOUND. What is left empty
  // stays as it is.
  struct SwapRequest {
    std::string name;
    std::string directory;
    std::string precision;
  };
  absl::StatusOr<ModelRef> Swap(const SwapRequest& request);
  // New calls do not find it any more; it is freed when its last call ends. FAILED_PRECONDITION for the default one.
  absl::Status Unload(const std::string& name);

  // Makes the models those of the list: loads what is new, swaps what has other settings or other files, unloads what
  // is gone; the first becomes the default. Goes on after a failure; then the status names each, and nothing is
  // unloaded. changes: what was done.
  absl::Status Apply(const std::vector<ModelSpec>& specs, std::vector<std::string>* changes);

 private:
  // Holds the right to change models; not acquired when somebody else does.
  class Turn;

  absl::StatusOr<ModelRef> LoadChecked(const ModelSpec& spec, int load_threads);
  absl::StatusOr<std::unique_ptr<LoadedModel>> Prepare(const ModelSpec& spec, int load_threads) const;
  absl::Status CheckMemory(const ModelSpec& spec, int64_t needed) const;
  void UnloadOthers(const std::vector<ModelSpec>& specs, std::vector<std::string>* changes);
  absl::Status ApplyOne(const ModelSpec& spec, std::vector<std::string>* changes);
  absl::Status Busy() const;

  const ModelLoader* const loader_;
  ModelRegistry* const registry_;
  const ModelManagerOptions options_;

  std::mutex turn_;  // held during a change
  mutable std::mutex mutex_;
  // Below: guarded by mutex_. What the present change is, for those who are refused.
  std::string change_;
  std::chrono::steady_clock::time_point change_since_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_MODEL_MANAGER_H_
