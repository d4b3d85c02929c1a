// A fixed-width bitmap font for the labels of images: 5 x 8 pixels, printable ASCII.
//
// Thread-safety: constant data.
#ifndef ATTENDANT_CLIENT_CLI_FONT_H_
#define ATTENDANT_CLIENT_CLI_FONT_H_

#include <cstdint>

namespace attendant::cli {

constexpr int kGlyphWidth = 5;
constexpr int kGlyphHeight = 8;
constexpr int kGlyphAdvance = 6;  // to the next glyph

// The rows from top to bottom; bit 4 is the leftmost pixel. A box for what the font does not have.
const uint8_t* Glyph(uint32_t code_point);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_FONT_H_
