// An RGB picture in memory, to draw rectangles and labels on, and its PNG encoding.
//
// What is drawn outside is cut off. Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_CANVAS_H_
#define ATTENDANT_CLIENT_CLI_CANVAS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/color_map.h"

namespace attendant::cli {

class Canvas {
 public:
  Canvas(int width, int height, Color background);

  int width() const { return width_; }
  int height() const { return height_; }
  Color at(int x, int y) const { return pixels_[Index(x, y)]; }

  void FillRect(int x, int y, int width, int height, Color color);
  // (x, y): the top left corner of the first glyph.
  void DrawText(int x, int y, std::string_view text, Color color);
  // Bottom to top; (x, y): the bottom left corner of the text's column.
  void DrawTextUpwards(int x, int y, std::string_view text, Color color);

  absl::StatusOr<std::string> EncodePng() const;

 private:
  size_t Index(int x, int y) const {
    return static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x);
  }
  void Set(int x, int y, Color color);

  int width_;
  int height_;
  std::vector<Color> pixels_;
};

// The error names the file.
absl::Status WritePngFile(const Canvas& canvas, const std::string& path);

// In pixels.
int TextWidth(std::string_view text);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_CANVAS_H_
