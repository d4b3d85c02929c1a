#include "client/cli/heat_map.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "client/cli/color_map.h"
#include "client/cli/format.h"
#include "client/lib/utf8.h"

namespace attendant::cli {
namespace {

constexpr int kCellWidth = 2;
constexpr int kMaxLabelWidth = 14;
constexpr int kMaxHeadingHeight = 10;
// From nothing to full; each step takes visibly more ink.
constexpr std::string_view kShades = " .:-=+*#%@";

std::string Cell(float share, HeatMapStyle style) {
  if (style == HeatMapStyle::kAscii) {
    const float clamped = share > 0 ? std::min(share, 1.0f) : 0.0f;
    const auto step = static_cast<size_t>(std::lround(clamped * static_cast<float>(kShades.size() - 1)));
    return std::string(kCellWidth, kShades[step]);
  }
  const Color color = HeatColor(share);
  if (style == HeatMapStyle::kColor256) return absl::StrCat("\x1b[48;5;", TerminalColor256(color), "m  ");
  return absl::StrCat("\x1b[48;2;", color.red, ";", color.green, ";", color.blue, "m  ");
}

// A label cut into its characters as shown, each padded to a cell.
std::vector<std::string> Letters(const std::string& label) {
  std::vector<std::string> letters;
  const std::string clean = Shortened(label, DisplayWidth(label));  // control characters replaced
  std::string_view rest = clean;
  while (!rest.empty()) {
    const std::string_view before = rest;
    if (!client::TakeCodePoint(rest).has_value()) rest.remove_prefix(1);
    letters.push_back(PaddedRight(before.substr(0, before.size() - rest.size()), kCellWidth));
  }
  if (letters.size() > kMaxHeadingHeight) {
    letters.resize(kMaxHeadingHeight - 1);
    letters.push_back(PaddedRight("~", kCellWidth));
  }
  return letters;
}

// The key tokens, written downwards, ending on the line above the map.
std::string Heading(const AttentionPanels& panels, size_t shown, int label_width) {
  std::vector<std::vector<std::string>> letters;
  size_t height = 0;
  for (size_t column = 0; column < shown; ++column) {
    letters.push_back(Letters(panels.column_labels[column]));
    height = std::max(height, letters.back().size());
  }
  std::string out;
  for (size_t line = 0; line < height; ++line) {
    std::string text(static_cast<size_t>(label_width + 1), ' ');
    for (const auto& column : letters) {
      const size_t blank = height - column.size();
      text += line < blank ? std::string(kCellWidth, ' ') : column[line - blank];
    }
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace

std::string RenderHeatMap(const AttentionPanels& panels, size_t index, HeatMapStyle style, int columns) {
  const AttentionPanel& panel = panels.panels[index];
  int label_width = 0;
  for (const std::string& label : panels.row_labels) {
    label_width = std::max(label_width, std::min(DisplayWidth(label), kMaxLabelWidth));
  }
  const int room = std::max(1, (columns - label_width - 1) / kCellWidth);
  const size_t shown = std::min(panels.columns(), static_cast<size_t>(room));
  std::string out = absl::StrCat(panel.title, " (rows attend to columns; brightest is ", Fixed(panel.max, 3), ")\n");
  out += Heading(panels, shown, label_width);
  const float scale = panel.max > 0 ? 1 / panel.max : 0;
  for (size_t row = 0; row < panels.rows(); ++row) {
    out += PaddedLeft(Shortened(panels.row_labels[row], kMaxLabelWidth), label_width) + " ";
    for (size_t column = 0; column < shown; ++column) {
      out += Cell(panel.values[row * panels.columns() + column] * scale, style);
    }
    out += style == HeatMapStyle::kAscii ? "\n" : "\x1b[0m\n";
  }
  if (shown < panels.columns()) {
    absl::StrAppend(&out, "(", shown, " of ", panels.columns(), " columns fit here; --png FILE shows all)\n");
  }
  return out;
}

}  // namespace attendant::cli
