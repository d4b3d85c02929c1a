#include "client/cli/attention_image.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/font.h"
#include "client/cli/format.h"

namespace attendant::cli {
namespace {

constexpr Color kBackground{255, 255, 255};
constexpr Color kInk{40, 40, 40};
constexpr Color kFaintInk{110, 110, 110};

constexpr int kMargin = 12;
constexpr int kLineHeight = kGlyphHeight + 4;
constexpr int kMaxLabelColumns = 14;
constexpr int kLegendHeight = 30;
constexpr int kLegendWidth = 120;
// A single map may be large; of several each is smaller, so that a layer of 12 heads fits on a screen.
constexpr int kSingleMapPixels = 640;
constexpr int kGridMapPixels = 260;
constexpr int kLargestCell = 24;
// 64 million pixels are 192 MB while drawing; viewers give up at about the same size.
constexpr int64_t kMaxPixels = 64'000'000;

std::string Label(const std::string& token) { return Shortened(token, kMaxLabelColumns); }

int LongestLabel(const AttentionPanels& panels) {
  int longest = 0;
  for (const auto* labels : {&panels.row_labels, &panels.column_labels}) {
    for (const std::string& label : *labels) longest = std::max(longest, TextWidth(Label(label)));
  }
  return longest;
}

int GridColumns(const AttentionPanels& panels) {
  const int count = static_cast<int>(panels.panels.size());
  // Layers below each other, heads beside each other, when there are both.
  if (panels.layers > 1 && panels.heads > 1) return panels.heads;
  return static_cast<int>(std::ceil(std::sqrt(static_cast<double>(count))));
}

void DrawPanel(const AttentionPanels& panels, size_t index, const ImageLayout& layout, Canvas* canvas) {
  const AttentionPanel& panel = panels.panels[index];
  const int left = layout.left + static_cast<int>(index) % layout.grid_columns * layout.panel_width;
  const int top = layout.top + static_cast<int>(index) / layout.grid_columns * layout.panel_height;
  const int cell = layout.cell;
  canvas->DrawText(left, top - layout.label_pixels - 4 - kLineHeight,
                   absl::StrCat(panel.title, ", max ", Fixed(panel.max, 3)), kInk);
  const float scale = panel.max > 0 ? 1 / panel.max : 0;
  for (size_t row = 0; row < panels.rows(); ++row) {
    for (size_t column = 0; column < panels.columns(); ++column) {
      canvas->FillRect(left + static_cast<int>(column) * cell, top + static_cast<int>(row) * cell, cell, cell,
                       HeatColor(panel.values[row * panels.columns() + column] * scale));
    }
  }
  const int centred = (cell * layout.label_step - kGlyphHeight) / 2;
  const int offset = layout.label_step == 1 ? centred : (cell - kGlyphHeight) / 2;
  for (size_t row = 0; row < panels.rows(); row += static_cast<size_t>(layout.label_step)) {
    const std::string label = Label(panels.row_labels[row]);
    canvas->DrawText(left - 3 - TextWidth(label), top + static_cast<int>(row) * cell + offset, label, kInk);
  }
  for (size_t column = 0; column < panels.columns(); column += static_cast<size_t>(layout.label_step)) {
    canvas->DrawTextUpwards(left + static_cast<int>(column) * cell + offset, top - 4,
                            Label(panels.column_labels[column]), kInk);
  }
}

void DrawLegend(const ImageLayout& layout, Canvas* canvas) {
  const int y = layout.height - kLegendHeight + 6;
  int x = layout.left;
  canvas->DrawText(x, y + 1, "0", kInk);
  x += kGlyphAdvance + 4;
  for (int i = 0; i < kLegendWidth; ++i) {
    canvas->FillRect(x + i, y, 1, kGlyphHeight + 2, HeatColor(static_cast<float>(i) / (kLegendWidth - 1)));
  }
  canvas->DrawText(x + kLegendWidth + 4, y + 1, "max of each map", kInk);
  canvas->DrawText(layout.left, y + kLineHeight + 2, "rows attend to columns", kFaintInk);
}

}  // namespace

absl::StatusOr<ImageLayout> LayOut(const AttentionPanels& panels) {
  const int64_t tokens = static_cast<int64_t>(std::max({panels.rows(), panels.columns(), size_t{1}}));
  const int count = static_cast<int>(panels.panels.size());
  ImageLayout layout;
  layout.grid_columns = std::max(1, GridColumns(panels));
  layout.grid_rows = (count + layout.grid_columns - 1) / layout.grid_columns;
  layout.label_pixels = LongestLabel(panels);
  const int64_t wanted = (count > 1 ? kGridMapPixels : kSingleMapPixels) / tokens;
  const int smallest_labelled = kGlyphHeight + 1;
  // Labels on every token are worth a larger picture, as long as it stays reasonable.
  for (int64_t cell = std::clamp<int64_t>(std::max<int64_t>(wanted, smallest_labelled), 1, kLargestCell); cell >= 1;
       --cell) {
    layout.cell = static_cast<int>(cell);
    layout.label_step = (smallest_labelled + layout.cell - 1) / layout.cell;
    layout.left = kMargin + layout.label_pixels + 4;
    layout.top = kMargin + kLineHeight + layout.label_pixels + 4;
    const int64_t title = TextWidth("layer 00, max of 00 heads, max 0.000");
    const int64_t map_width = std::max<int64_t>(static_cast<int64_t>(panels.columns()) * cell, title);
    const int64_t panel_width = map_width + layout.left + kMargin;
    const int64_t panel_height = static_cast<int64_t>(panels.rows()) * cell + layout.top;
    const int64_t width = panel_width * layout.grid_columns;
    const int64_t height = panel_height * layout.grid_rows + kLegendHeight + kMargin;
    if (width > INT32_MAX || height > INT32_MAX || width * height > kMaxPixels) continue;
    layout.panel_width = static_cast<int>(panel_width);
    layout.panel_height = static_cast<int>(panel_height);
    layout.width = static_cast<int>(width);
    layout.height = static_cast<int>(height);
    return layout;
  }
  return absl::InvalidArgumentError(absl::StrCat(count, " maps of ", panels.rows(), " x ", panels.columns(),
                                                 " do not fit in a picture of ", kMaxPixels,
                                                 " pixels; choose fewer layers or heads"));
}

absl::StatusOr<Canvas> DrawAttention(const AttentionPanels& panels) {
  const auto layout = LayOut(panels);
  if (!layout.ok()) return layout.status();
  Canvas canvas(layout->width, layout->height, kBackground);
  for (size_t i = 0; i < panels.panels.size(); ++i) DrawPanel(panels, i, *layout, &canvas);
  DrawLegend(*layout, &canvas);
  return canvas;
}

}  // namespace attendant::cli
