#include "server/self_check_command.h"

#include <exception>

#include "server/models/self_check.h"
#include "server/scheduling/thread_budget.h"

namespace attendant {
namespace {

bool CheckOne(const EmbedderLoader& loader, const ModelSpec& spec, int threads, std::ostream& out) {
  try {
    const auto model = loader.Load(spec, threads);
    if (!model.ok()) {
      out << spec.name << ": FAILED\n  " << model.status().message() << "\n";
      return false;
    }
    const SelfCheckReport report = SelfCheck(**model);
    const ModelInfo& info = (*model)->info();
    out << spec.name << ": " << (report.status().ok() ? "ok" : "FAILED") << " (" << info.fingerprint << ", "
        << info.precision << ", " << info.kernels << ")\n"
        << report.Table();
    return report.status().ok();
  } catch (const std::exception& error) {
    out << spec.name << ": FAILED\n  " << error.what() << "\n";
    return false;
  }
}

}  // namespace

EmbedderLoader::Options ToLoaderOptions(const ServerConfig& config, int workers) {
  return {.embedder = {.model_dir = "",
                       .precision = config.precision,
                       .precision_gate = config.precision_gate,
                       .isa = config.isa,
                       .engine = config.engine,
                       .max_batch_tokens = config.scheduler.max_batch_tokens},
          .workers = workers,
          .clock = config.scheduler.clock};
}

int RunSelfCheck(const ServerConfig& config, std::ostream& out) {
  const int threads = config.threads > 0 ? config.threads : ComputeThreadBudget().threads;
  const EmbedderLoader loader(ToLoaderOptions(config, 1));
  int failed = 0;
  for (const ModelSpec& spec : config.models.specs) failed += CheckOne(loader, spec, threads, out) ? 0 : 1;
  out << config.models.specs.size() - static_cast<size_t>(failed) << " of " << config.models.specs.size()
      << " models are well\n";
  return failed == 0 ? 0 : 1;
}

}  // namespace attendant
