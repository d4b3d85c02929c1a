#include "server/models/model_registry.h"

#include <algorithm>
#include <utility>

namespace attendant {

std::string_view ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kReady:
      return "READY";
    case ModelState::kDraining:
      return "DRAINING";
    case ModelState::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

ModelRef ModelRegistry::Find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto slot = slots_.find(name.empty() ? std::string_view(default_) : name);
  return slot == slots_.end() ? nullptr : slot->second.model;
}

std::string ModelRegistry::default_name() const {
  const std::lock_guard lock(mutex_);
  return default_;
}

std::vector<ModelStatus> ModelRegistry::List() const {
  std::vector<ModelStatus> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, slot] : slots_) {
    const ModelState state = slot.model != nullptr ? ModelState::kReady
                             : slot.loading        ? ModelState::kLoading
                                                   : ModelState::kFailed;
    all.push_back({name, state, name == default_, slot.reason, slot.directory, slot.model});
  }
  std::stable_partition(all.begin(), all.end(), [](const ModelStatus& status) { return status.is_default; });
  for (const std::weak_ptr<const LoadedModel>& retired : retired_) {
    if (ModelRef model = retired.lock()) {
      all.push_back({model->spec.name, ModelState::kDraining, false, "", model->spec.directory, model});
    }
  }
  return all;
}

void ModelRegistry::BeginLoad(const ModelSpec& spec) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[spec.name];
  slot.loading = true;
  if (slot.model == nullptr) slot.directory = spec.directory;
}

void ModelRegistry::FailLoad(const std::string& name, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[name];
  slot.loading = false;
  slot.reason = reason;
}

void ModelRegistry::Publish(ModelRef model) {
  ModelRef old;  // freed after the lock
  const std::lock_guard lock(mutex_);
  const std::string& name = model->spec.name;
  if (default_.empty()) default_ = name;
  Slot& slot = slots_[name];
  old = std::exchange(slot.model, model);
  slot.directory = model->spec.directory;
  slot.loading = false;
  slot.reason.clear();
  Retire(old);
}

bool ModelRegistry::Remove(const std::string& name) {
  ModelRef old;
  const std::lock_guard lock(mutex_);
  const auto slot = slots_.find(name);
  if (slot == slots_.end()) return false;
  old = std::move(slot->second.model);
  slots_.erase(slot);
  if (default_ == name) default_.clear();
  Retire(old);
  return true;
}

bool ModelRegistry::SetDefault(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto slot = slots_.find(name);
  if (slot == slots_.end() || slot->second.model == nullptr) return false;
  default_ = name;
  return true;
}

void ModelRegistry::Retire(const ModelRef& model) {
  std::erase_if(retired_, [](const auto& retired) { return retired.expired(); });
  if (model != nullptr) retired_.push_back(model);
}

}  // namespace attendant
