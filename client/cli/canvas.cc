#include "client/cli/canvas.h"

#include <png.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cli/font.h"
#include "client/lib/utf8.h"

namespace attendant::cli {
namespace {

// Malformed bytes count one glyph each.
std::vector<uint32_t> CodePoints(std::string_view text) {
  std::vector<uint32_t> code_points;
  while (!text.empty()) {
    const auto code_point = client::TakeCodePoint(text);
    if (!code_point.has_value()) text.remove_prefix(1);
    code_points.push_back(code_point.value_or(0));
  }
  return code_points;
}

bool IsSet(uint32_t code_point, int x, int y) { return (Glyph(code_point)[y] >> (kGlyphWidth - 1 - x) & 1) != 0; }

}  // namespace

Canvas::Canvas(int width, int height, Color background)
    : width_(width), height_(height), pixels_(static_cast<size_t>(width) * static_cast<size_t>(height), background) {
  static_assert(sizeof(Color) == 3, "the PNG encoder reads the pixels as bytes");
}

void Canvas::Set(int x, int y, Color color) {
  if (x >= 0 && y >= 0 && x < width_ && y < height_) pixels_[Index(x, y)] = color;
}

void Canvas::FillRect(int x, int y, int width, int height, Color color) {
  for (int row = y; row < y + height; ++row) {
    for (int column = x; column < x + width; ++column) Set(column, row, color);
  }
}

void Canvas::DrawText(int x, int y, std::string_view text, Color color) {
  for (const uint32_t code_point : CodePoints(text)) {
    for (int row = 0; row < kGlyphHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        if (IsSet(code_point, column, row)) Set(x + column, y + row, color);
      }
    }
    x += kGlyphAdvance;
  }
}

void Canvas::DrawTextUpwards(int x, int y, std::string_view text, Color color) {
  for (const uint32_t code_point : CodePoints(text)) {
    for (int row = 0; row < kGlyphHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        if (IsSet(code_point, column, row)) Set(x + row, y - column, color);
      }
    }
    y -= kGlyphAdvance;
  }
}

absl::StatusOr<std::string> Canvas::EncodePng() const {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width_);
  image.height = static_cast<png_uint_32>(height_);
  image.format = PNG_FORMAT_RGB;
  // Big enough for any picture of this size, so that it is encoded once.
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string png(bytes, '\0');
  if (png_image_write_to_memory(&image, png.data(), &bytes, 0, pixels_.data(), 0, nullptr) == 0) {
    return absl::InternalError(absl::StrCat("cannot encode the picture: ", image.message));
  }
  png.resize(bytes);
  return png;
}

absl::Status WritePngFile(const Canvas& canvas, const std::string& path) {
  const auto png = canvas.EncodePng();
  if (!png.ok()) return png.status();
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << *png;
  file.close();
  if (!file) return absl::DataLossError(absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
  return absl::OkStatus();
}

int TextWidth(std::string_view text) {
  return static_cast<int>(CodePoints(text).size()) * kGlyphAdvance - (kGlyphAdvance - kGlyphWidth);
}

}  // namespace attendant::cli
