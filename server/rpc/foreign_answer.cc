#include "server/rpc/foreign_answer.h"

#include <cmath>

#include "absl/strings/match.h"
#include "server/rpc/status_mapping.h"

namespace attendant {

absl::Status ToCallStatus(const v1::ItemStatus& status, const std::string& field) {
  std::string message = status.message();
  const std::string prefix = status.field() + ": ";
  if (!status.field().empty() && absl::StartsWith(message, prefix)) message.erase(0, prefix.size());
  const auto code = static_cast<absl::StatusCode>(status.code());
  if (code != absl::StatusCode::kInvalidArgument) return {code, message};
  return InvalidField(absl::EndsWith(status.field(), "prompt_name") ? "prompt_name" : field, message);
}

std::vector<float> CutVectors(const float* values, size_t rows, size_t row_size, size_t dimensions, Scaling scaling) {
  std::vector<float> cut;
  cut.reserve(rows * dimensions);
  for (size_t row = 0; row < rows; ++row) {
    const float* begin = values + row * row_size;
    double square = 0;
    for (size_t i = 0; i < dimensions; ++i) square += double{begin[i]} * double{begin[i]};
    const double length = scaling == Scaling::kToUnitLength && square > 0 ? std::sqrt(square) : 1;
    for (size_t i = 0; i < dimensions; ++i) cut.push_back(static_cast<float>(double{begin[i]} / length));
  }
  return cut;
}

}  // namespace attendant
