// What every step of one layer reads. Borrows all three.
#ifndef ATTENDANT_ENGINE_MODEL_LAYER_CONTEXT_H_
#define ATTENDANT_ENGINE_MODEL_LAYER_CONTEXT_H_

#include "engine/kernels/kernels.h"
#include "engine/model/model_config.h"
#include "engine/model/weights.h"

namespace attendant {

struct LayerContext {
  const ModelConfig& config;
  const LayerWeights& weights;
  const kernels::KernelTable& kernels;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_LAYER_CONTEXT_H_
