// The fixed texts that the precision gate measures drift on: short and long, questions, passages, names, numbers, code,
// several scripts. Never changed lightly: the choice of layers depends on them.
#ifndef ATTENDANT_ENGINE_CALIBRATION_TEXTS_H_
#define ATTENDANT_ENGINE_CALIBRATION_TEXTS_H_

#include <span>
#include <string_view>

namespace attendant {

std::span<const std::string_view> CalibrationTexts();

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_CALIBRATION_TEXTS_H_
