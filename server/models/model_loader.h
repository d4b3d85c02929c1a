// Makes a LoadedModel of a directory; a fake in the manager's tests.
//
// Thread-safety: const members from any thread. Both may throw bad_alloc, or what the system throws when it is out of
// threads or files; the manager catches it.
#ifndef ATTENDANT_SERVER_MODELS_MODEL_LOADER_H_
#define ATTENDANT_SERVER_MODELS_MODEL_LOADER_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "server/models/loaded_model.h"

namespace attendant {

class ModelLoader {
 public:
  virtual ~ModelLoader() = default;

  // What it will need in memory, from the files' headers alone.
  virtual absl::StatusOr<int64_t> EstimateBytes(const ModelSpec& spec) const = 0;
  // load_threads: used while loading, then gone.
  virtual absl::StatusOr<std::unique_ptr<LoadedModel>> Load(const ModelSpec& spec, int load_threads) const = 0;
};

// The real one.
class EmbedderLoader final : public ModelLoader {
 public:
  struct Options {
    EmbedderOptions embedder;  // all but the directory; the precision where the spec has none
    int workers = 1;           // that will run the model, each with a workspace of its own
    SchedulerClock clock;      // for measuring the cost
  };

  explicit EmbedderLoader(Options options) : options_(std::move(options)) {}

  absl::StatusOr<int64_t> EstimateBytes(const ModelSpec& spec) const override;
  absl::StatusOr<std::unique_ptr<LoadedModel>> Load(const ModelSpec& spec, int load_threads) const override;

 private:
  EmbedderOptions ToEmbedderOptions(const ModelSpec& spec) const;

  const Options options_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_MODEL_LOADER_H_
