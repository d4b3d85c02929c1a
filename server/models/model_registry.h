// The models of this server by name: which one answers a call now, and in what state each name is.
//
// It is not: what loads them (model_manager.h) or checks them (self_check.h). Publish is the atomic cut-over: a call
// that looks its model up before gets the old one and keeps it, one that does so after gets the new one.
// Thread-safety: every member from any thread; Find costs one short lock. Models are freed outside the lock.
#ifndef ATTENDANT_SERVER_MODELS_MODEL_REGISTRY_H_
#define ATTENDANT_SERVER_MODELS_MODEL_REGISTRY_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/models/loaded_model.h"

namespace attendant {

// kLoading: not yet there. kReady: it answers. kDraining: replaced or unloaded, some calls still use it.
// kFailed: it could not be loaded.
enum class ModelState { kLoading, kReady, kDraining, kFailed };

std::string_view ModelStateName(ModelState state);  // "LOADING", ...

struct ModelStatus {
  std::string name;
  ModelState state = ModelState::kLoading;
  bool is_default = false;
  // Why it failed; of a model that is ready: why its successor was refused, if one was.
  std::string reason;
  std::string directory;
  ModelRef model;  // null while it is loading or when it failed
};

class ModelRegistry {
 public:
  // The model of this name, or the default one for "". Null: there is none that could answer.
  ModelRef Find(std::string_view name) const;
  // The default's name; "" when there is none.
  std::string default_name() const;

  // The default first, then by name; models that are draining come after the others.
  std::vector<ModelStatus> List() const;

  // A load has begun: a name without a model is listed as loading.
  void BeginLoad(const ModelSpec& spec);
  // It has failed: a name without a model is listed as failed, one with a model keeps it.
  void FailLoad(const std::string& name, const std::string& reason);
  // The cut-over. The first model of all becomes the default.
  void Publish(ModelRef model);
  // False: there was none of this name. The default can be removed; then there is none until SetDefault.
  bool Remove(const std::string& name);
  // False: there is no model of this name.
  bool SetDefault(const std::string& name);

 private:
  struct Slot {
    ModelRef model;
    std::string directory;
    bool loading = false;
    std::string reason;
  };

  void Retire(const ModelRef& model);

  mutable std::mutex mutex_;
  // Below: guarded by mutex_.
  std::map<std::string, Slot, std::less<>> slots_;
  std::string default_;
  std::vector<std::weak_ptr<const LoadedModel>> retired_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_MODEL_REGISTRY_H_
