#include "server/models/model_manager.h"

#include <malloc.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/models/directory_stamp.h"
#include "server/models/self_check.h"
#include "server/observability/logging.h"

namespace attendant {
namespace {

using std::chrono::steady_clock;

// Failed names are listed until they are unloaded, so that their number needs a bound.
constexpr size_t kMaxNames = 64;

std::string InQuotes(const std::string& name) { return absl::StrCat("\"", name, "\""); }

void LogModel(const LoadedModel& model) {
  const ModelInfo& info = model.info();
  LogInfo("model loaded", {{"model", info.name},
                           {"directory", model.spec.directory},
                           {"architecture", info.architecture},
                           {"dimension", info.dimension},
                           {"max_tokens", info.max_tokens},
                           {"weights_bytes", info.weights_bytes},
                           {"memory_bytes", model.memory_bytes},
                           {"fingerprint", info.fingerprint},
                           {"self_check", model.self_check},
                           {"load_ms", model.load_time.count()}});
  LogInfo("computing with", {{"model", info.name},
                             {"precision", info.precision},
                             {"precision_reason", info.precision_reason},
                             {"kernels", info.kernels},
                             {"kernels_reason", info.kernels_reason}});
  const CostModel& cost = model.runtime->cost();
  LogInfo("cost model", {{"model", info.name},
                         {"batch_us", cost.batch_us},
                         {"token_us", cost.token_us},
                         {"square_us", cost.square_us},
                         {"min_share_tokens", cost.min_share_tokens}});
}

bool SameSettings(const ModelSpec& a, const ModelSpec& b) {
  return a.directory == b.directory && a.precision == b.precision && a.quota.weight == b.quota.weight &&
         a.quota.max_queued_tokens == b.quota.max_queued_tokens;
}

}  // namespace

class ModelManager::Turn {
 public:
  Turn(ModelManager* manager, std::unique_lock<std::mutex> lock, std::string change)
      : manager_(manager), lock_(std::move(lock)) {
    if (!lock_.owns_lock()) return;
    const std::lock_guard guard(manager_->mutex_);
    manager_->change_ = std::move(change);
    manager_->change_since_ = steady_clock::now();
  }
  ~Turn() {
    if (!lock_.owns_lock()) return;
    // Loading threads allocate in arenas of their own, which keep what a model leaves behind: some MiB after each swap
    // of the first twenty or so.
    malloc_trim(0);
    const std::lock_guard guard(manager_->mutex_);
    manager_->change_.clear();
  }
  bool acquired() const { return lock_.owns_lock(); }

 private:
  ModelManager* const manager_;
  std::unique_lock<std::mutex> lock_;
};

ModelManager::ModelManager(const ModelLoader* loader, ModelRegistry* registry, ModelManagerOptions options)
    : loader_(loader), registry_(registry), options_(std::move(options)) {}

absl::Status ModelManager::LoadAll(const std::vector<ModelSpec>& specs, int load_threads) {
  const Turn turn(this, std::unique_lock(turn_), "starting");
  for (const ModelSpec& spec : specs) {
    if (absl::Status status = LoadChecked(spec, load_threads).status(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelRef> ModelManager::Load(const ModelSpec& spec) {
  if (absl::Status status = CheckName(spec.name); !status.ok()) return status;
  if (absl::Status status = CheckPrecision(spec.precision); !status.ok()) return status;
  if (absl::Status status = CheckQuota(spec.quota); !status.ok()) return status;
  const Turn turn(this, std::unique_lock(turn_, std::try_to_lock), absl::StrCat("loading ", InQuotes(spec.name)));
  if (!turn.acquired()) return Busy();
  if (registry_->Find(spec.name) != nullptr) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a model ", InQuotes(spec.name), " already; swap it, or choose another name"));
  }
  if (registry_->List().size() >= kMaxNames) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", kMaxNames, " models already, failed ones included; unload some"));
  }
  return LoadChecked(spec, options_.load_threads);
}

absl::StatusOr<ModelRef> ModelManager::Swap(const SwapRequest& request) {
  if (absl::Status status = CheckPrecision(request.precision); !status.ok()) return status;
  const Turn turn(this, std::unique_lock(turn_, std::try_to_lock), absl::StrCat("swapping ", InQuotes(request.name)));
  if (!turn.acquired()) return Busy();
  const ModelRef present = registry_->Find(request.name);
  if (present == nullptr) {
    return absl::NotFoundError(absl::StrCat("there is no model ", InQuotes(request.name), " to swap; load it"));
  }
  ModelSpec spec = present->spec;
  if (!request.directory.empty()) spec.directory = request.directory;
  if (!request.precision.empty()) spec.precision = request.precision;
  return LoadChecked(spec, options_.load_threads);
}

absl::Status ModelManager::Unload(const std::string& name) {
  const Turn turn(this, std::unique_lock(turn_, std::try_to_lock), absl::StrCat("unloading ", InQuotes(name)));
  if (!turn.acquired()) return Busy();
  if (!name.empty() && name == registry_->default_name()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "model ", InQuotes(name), " is the default one, which requests without a model's name use; swap it instead"));
  }
  if (!registry_->Remove(name)) return absl::NotFoundError(absl::StrCat("there is no model ", InQuotes(name)));
  LogInfo("model unloaded", {{"model", name}});
  return absl::OkStatus();
}

absl::Status ModelManager::Apply(const std::vector<ModelSpec>& specs, std::vector<std::string>* changes) {
  const Turn turn(this, std::unique_lock(turn_), "reading the configuration again");
  std::string failures;
  for (const ModelSpec& spec : specs) {
    const absl::Status status = ApplyOne(spec, changes);
    if (!status.ok()) absl::StrAppend(&failures, failures.empty() ? "" : "; ", spec.name, ": ", status.message());
  }
  if (!specs.empty()) registry_->SetDefault(specs.front().name);
  // What is to go may be what would have been replaced.
  if (!failures.empty()) return absl::FailedPreconditionError(failures);
  UnloadOthers(specs, changes);
  return absl::OkStatus();
}

void ModelManager::UnloadOthers(const std::vector<ModelSpec>& specs, std::vector<std::string>* changes) {
  for (const ModelStatus& status : registry_->List()) {
    const bool wanted =
        std::any_of(specs.begin(), specs.end(), [&status](const ModelSpec& spec) { return spec.name == status.name; });
    if (wanted || status.state == ModelState::kDraining || !registry_->Remove(status.name)) continue;
    LogInfo("model unloaded", {{"model", status.name}});
    changes->push_back(absl::StrCat("unloaded ", status.name));
  }
}

absl::Status ModelManager::ApplyOne(const ModelSpec& spec, std::vector<std::string>* changes) {
  const ModelRef present = registry_->Find(spec.name);
  if (present != nullptr && SameSettings(present->spec, spec) &&
      present->directory_stamp == DirectoryStamp(spec.directory)) {
    return absl::OkStatus();
  }
  const absl::Status status = LoadChecked(spec, options_.load_threads).status();
  if (status.ok()) changes->push_back(absl::StrCat(present == nullptr ? "loaded " : "swapped ", spec.name));
  return status;
}

absl::StatusOr<ModelRef> ModelManager::LoadChecked(const ModelSpec& spec, int load_threads) {
  const auto start = steady_clock::now();
  const ModelRef old = registry_->Find(spec.name);
  registry_->BeginLoad(spec);
  auto loaded = Prepare(spec, load_threads);
  if (!loaded.ok()) {
    const std::string reason(loaded.status().message());
    registry_->FailLoad(spec.name, reason);
    LogWarning("model refused", {{"model", spec.name}, {"directory", spec.directory}, {"reason", reason}});
    return loaded.status();
  }
  (*loaded)->loaded_at = std::chrono::system_clock::now();
  (*loaded)->load_time = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start);
  if (old != nullptr) (*loaded)->replaced_fingerprint = old->info().fingerprint;
  const ModelRef model = *std::move(loaded);
  LogModel(*model);
  registry_->Publish(model);
  if (old != nullptr) {
    LogInfo("model swapped", {{"model", spec.name},
                              {"old_fingerprint", old->info().fingerprint},
                              {"fingerprint", model->info().fingerprint}});
  }
  return model;
}

absl::StatusOr<std::unique_ptr<LoadedModel>> ModelManager::Prepare(const ModelSpec& spec, int load_threads) const {
  // Neither the engine nor we throw, but both allocate, start threads and walk directories.
  try {
    const auto needed = loader_->EstimateBytes(spec);
    if (!needed.ok()) return needed.status();
    if (absl::Status status = CheckMemory(spec, *needed); !status.ok()) return status;
    // Before the files are read: what changes meanwhile is a change.
    const std::string stamp = DirectoryStamp(spec.directory);
    auto model = loader_->Load(spec, load_threads);
    if (!model.ok()) return model.status();
    (*model)->directory_stamp = stamp;
    (*model)->memory_bytes = *needed;
    const SelfCheckReport report = SelfCheck(**model);
    if (absl::Status status = report.status(); !status.ok()) return status;
    (*model)->self_check = report.Summary();
    return model;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("out of memory while loading ", spec.directory));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("loading ", spec.directory, " failed: ", error.what()));
  }
}

absl::Status ModelManager::CheckMemory(const ModelSpec& spec, int64_t needed) const {
  if (options_.memory.bytes == 0) return absl::OkStatus();
  const int64_t used = options_.used_bytes ? options_.used_bytes() : ResidentBytes();
  if (used + needed <= options_.memory.bytes) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("model ", InQuotes(spec.name), " needs about ", needed, " bytes, ", used,
                   " are in use, and the limit is ", options_.memory.bytes, " (", options_.memory.source,
                   options_.memory.source == "--memory-limit" ? "" : "; --memory-limit sets another",
                   "); unload a model, use a narrower --precision or give the server more memory"));
}

absl::Status ModelManager::Busy() const {
  const std::lock_guard lock(mutex_);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(steady_clock::now() - change_since_).count();
  return absl::AbortedError(absl::StrCat("another change of models is under way (",
                                         change_.empty() ? "just ending" : change_, ", for ", seconds,
                                         " s); models are changed one at a time: try again when it is done"));
}

}  // namespace attendant
