// Apart from the manager, so that only those who load real models link the engine.
#include <utility>

#include "server/models/embedder_model.h"
#include "server/models/model_loader.h"

namespace attendant {

EmbedderOptions EmbedderLoader::ToEmbedderOptions(const ModelSpec& spec) const {
  EmbedderOptions options = options_.embedder;
  options.model_dir = spec.directory;
  if (!spec.precision.empty()) options.precision = spec.precision;
  return options;
}

absl::StatusOr<int64_t> EmbedderLoader::EstimateBytes(const ModelSpec& spec) const {
  return Embedder::EstimateBytes(ToEmbedderOptions(spec), options_.workers);
}

absl::StatusOr<std::unique_ptr<LoadedModel>> EmbedderLoader::Load(const ModelSpec& spec, int load_threads) const {
  EmbedderOptions options = ToEmbedderOptions(spec);
  options.load_threads = load_threads;
  auto embedder = Embedder::Load(options);
  if (!embedder.ok()) return embedder.status();
  auto model = std::make_unique<LoadedModel>();
  model->spec = spec;
  model->embedder = *std::move(embedder);
  model->served = std::make_unique<EmbedderModel>(model->embedder.get(), spec.name);
  auto runner = std::make_unique<EmbedderRunner>(model->embedder.get());
  const ModelInfo& info = model->info();
  model->runtime = std::make_unique<ModelRuntime>(std::move(runner), options_.workers, info.num_layers, spec.quota);
  model->runtime->Calibrate(info.max_tokens, options_.clock);
  return model;
}

}  // namespace attendant
