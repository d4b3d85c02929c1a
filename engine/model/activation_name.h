// Names of activation functions in configuration files.
#ifndef ATTENDANT_ENGINE_MODEL_ACTIVATION_NAME_H_
#define ATTENDANT_ENGINE_MODEL_ACTIVATION_NAME_H_

#include <optional>
#include <string_view>

#include "engine/kernels/kernels.h"

namespace attendant {

// transformers' hidden_act: "gelu" is the erf form; gelu_new, gelu_pytorch_tanh and gelu_fast the tanh approximation.
inline std::optional<kernels::Activation> ActivationFromConfig(std::string_view name) {
  using kernels::Activation;
  if (name == "gelu" || name == "gelu_python") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu_fast" || name == "gelu_accurate") {
    return Activation::kGeluTanh;
  }
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "relu") return Activation::kRelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "sigmoid") return Activation::kSigmoid;
  if (name == "tanh") return Activation::kTanh;
  if (name == "linear") return Activation::kNone;
  return std::nullopt;
}

// The class names that sentence-transformers writes into a Dense module's config.json.
inline std::optional<kernels::Activation> ActivationFromTorchClass(std::string_view name) {
  using kernels::Activation;
  if (name == "torch.nn.modules.activation.Tanh") return Activation::kTanh;
  if (name == "torch.nn.modules.linear.Identity") return Activation::kNone;
  if (name == "torch.nn.modules.activation.ReLU") return Activation::kRelu;
  if (name == "torch.nn.modules.activation.Sigmoid") return Activation::kSigmoid;
  if (name == "torch.nn.modules.activation.GELU") return Activation::kGelu;
  if (name == "torch.nn.modules.activation.SiLU") return Activation::kSilu;
  return std::nullopt;
}

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_ACTIVATION_NAME_H_
