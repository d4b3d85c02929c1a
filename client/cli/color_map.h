// Numbers as colours: from near-black blue (0) through violet and orange to pale yellow (1), steadily brighter, so that
// it reads in grey and for the colour-blind too.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_COLOR_MAP_H_
#define ATTENDANT_CLIENT_CLI_COLOR_MAP_H_

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace attendant::cli {

struct Color {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
  bool operator==(const Color&) const = default;
};

// share is clamped to 0..1; NaN counts as 0.
inline Color HeatColor(float share) {
  // Corner points of our own choice, equally spaced; straight lines between them.
  constexpr Color kCorners[] = {{10, 10, 35},   {70, 25, 110},  {165, 45, 105},
                                {235, 110, 60}, {250, 190, 70}, {255, 250, 200}};
  constexpr int kLast = std::size(kCorners) - 1;
  const float position = share > 0 ? std::min(share, 1.0f) * kLast : 0.0f;
  const int low = std::min(static_cast<int>(position), kLast - 1);
  const float rest = position - static_cast<float>(low);
  const auto mix = [rest](uint8_t a, uint8_t b) {
    return static_cast<uint8_t>(static_cast<float>(a) + rest * (static_cast<float>(b) - static_cast<float>(a)) + 0.5f);
  };
  const Color& from = kCorners[low];
  const Color& to = kCorners[low + 1];
  return {mix(from.red, to.red), mix(from.green, to.green), mix(from.blue, to.blue)};
}

// The nearest entry of the 6 x 6 x 6 cube of 256-colour terminals.
inline int TerminalColor256(Color color) {
  const auto level = [](uint8_t value) { return value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40; };
  return 16 + 36 * level(color.red) + 6 * level(color.green) + level(color.blue);
}

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_COLOR_MAP_H_
