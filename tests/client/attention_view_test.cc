// The terminal's heat map, the picture, its PNG, the colours and the font.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <cmath>
#include <set>

#include "client/cli/attention_image.h"
#include "client/cli/font.h"
#include "client/cli/heat_map.h"

namespace attendant::cli {
namespace {

using ::testing::HasSubstr;

client::AttentionMap Map(int layers, int heads, int tokens) {
  client::AttentionMap map;
  for (int i = 0; i < layers; ++i) map.layers.push_back(i);
  for (int i = 0; i < heads; ++i) map.heads.push_back(i);
  for (int i = 0; i < tokens; ++i) {
    map.query_rows.push_back(i);
    client::Token token;
    token.text = i == 0 ? "[CLS]" : "token" + std::to_string(i);
    map.tokens.push_back(token);
  }
  map.shape = {layers, heads, tokens, tokens};
  map.values.assign(static_cast<size_t>(layers) * heads * tokens * tokens, 0.0f);
  // Every token looks at itself only.
  for (size_t i = 0; i < map.values.size(); ++i) {
    const size_t in_map = i % static_cast<size_t>(tokens * tokens);
    if (in_map / static_cast<size_t>(tokens) == in_map % static_cast<size_t>(tokens)) map.values[i] = 0.5f;
  }
  return map;
}

TEST(ColorMapTest, GrowsBrighterAndClamps) {
  int last = -1;
  for (int i = 0; i <= 100; ++i) {
    const Color color = HeatColor(static_cast<float>(i) / 100);
    const int brightness = 299 * color.red + 587 * color.green + 114 * color.blue;
    EXPECT_GT(brightness, last) << i;
    last = brightness;
  }
  EXPECT_EQ(HeatColor(-1), HeatColor(0));
  EXPECT_EQ(HeatColor(2), HeatColor(1));
  EXPECT_EQ(HeatColor(std::nanf("")), HeatColor(0));
  EXPECT_EQ(TerminalColor256({255, 255, 255}), 231);
  EXPECT_EQ(TerminalColor256({0, 0, 0}), 16);
}

TEST(FontTest, EveryPrintableGlyphIsThereAndDifferent) {
  std::set<std::string> shapes;
  for (uint32_t c = ' '; c <= '~'; ++c) {
    const uint8_t* rows = Glyph(c);
    for (int i = 0; i < kGlyphHeight; ++i) EXPECT_LT(rows[i], 1 << kGlyphWidth);
    EXPECT_TRUE(shapes.insert(std::string(rows, rows + kGlyphHeight)).second) << static_cast<char>(c);
  }
  EXPECT_TRUE(shapes.insert(std::string(Glyph(0x4E2D), Glyph(0x4E2D) + kGlyphHeight)).second);
}

TEST(HeatMapTest, AsciiShadesTheDiagonal) {
  const client::AttentionMap map = Map(1, 1, 3);
  const AttentionPanels panels = ToPanels(map, client::HeadReduction::kNone);
  const std::string text = RenderHeatMap(panels, 0, HeatMapStyle::kAscii, 80);
  EXPECT_THAT(text, HasSubstr("layer 0, head 0"));
  EXPECT_THAT(text, HasSubstr(" [CLS] @@    \n"));
  EXPECT_THAT(text, HasSubstr("token1   @@  \n"));
  EXPECT_THAT(text, HasSubstr("token2     @@\n"));
  EXPECT_THAT(text, HasSubstr("       S n n\n"));  // headings are written downwards
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(HeatMapTest, ColoursEndWithEveryLine) {
  const client::AttentionMap map = Map(1, 1, 2);
  const AttentionPanels panels = ToPanels(map, client::HeadReduction::kNone);
  EXPECT_THAT(RenderHeatMap(panels, 0, HeatMapStyle::kTrueColor, 80),
              HasSubstr("\x1b[48;2;255;250;200m  \x1b[48;2;10;10;35m  \x1b[0m\n"));
  EXPECT_THAT(RenderHeatMap(panels, 0, HeatMapStyle::kColor256, 80), HasSubstr("\x1b[48;5;"));
}

TEST(HeatMapTest, SaysWhatItLeavesOut) {
  const client::AttentionMap map = Map(1, 1, 50);
  const AttentionPanels panels = ToPanels(map, client::HeadReduction::kNone);
  EXPECT_THAT(RenderHeatMap(panels, 0, HeatMapStyle::kAscii, 40), HasSubstr("(16 of 50 columns fit here"));
}

TEST(HeatMapTest, TokensCannotSendControlCodes) {
  client::AttentionMap map = Map(1, 1, 2);
  map.tokens[1].text = "\x1b[2Jx";
  const AttentionPanels panels = ToPanels(map, client::HeadReduction::kNone);
  EXPECT_EQ(RenderHeatMap(panels, 0, HeatMapStyle::kAscii, 80).find('\x1b'), std::string::npos);
}

TEST(PanelsTest, TitlesSayWhatWasReduced) {
  client::AttentionMap map = Map(2, 1, 2);
  map.heads = {0, 1, 2};
  EXPECT_EQ(ToPanels(map, client::HeadReduction::kMean).panels[1].title, "layer 1, mean of 3 heads");
  EXPECT_EQ(ToPanels(map, client::HeadReduction::kMax).panels[0].title, "layer 0, max of 3 heads");
  EXPECT_FLOAT_EQ(ToPanels(map, client::HeadReduction::kMax).panels[0].max, 0.5f);
}

TEST(ImageTest, DrawsTheWeightsWhereTheLayoutSays) {
  const client::AttentionMap map = Map(2, 3, 6);
  const AttentionPanels panels = ToPanels(map, client::HeadReduction::kNone);
  const auto layout = LayOut(panels);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->grid_columns, 3);
  EXPECT_EQ(layout->grid_rows, 2);
  EXPECT_EQ(layout->label_step, 1);
  const auto canvas = DrawAttention(panels);
  ASSERT_TRUE(canvas.ok());
  for (int panel = 0; panel < 6; ++panel) {
    for (int row = 0; row < 6; ++row) {
      for (int column = 0; column < 6; ++column) {
        const int x = layout->left + panel % 3 * layout->panel_width + column * layout->cell;
        const int y = layout->top + panel / 3 * layout->panel_height + row * layout->cell;
        const Color expected = HeatColor(row == column ? 1.0f : 0.0f);
        EXPECT_EQ(canvas->at(x, y), expected);
        EXPECT_EQ(canvas->at(x + layout->cell - 1, y + layout->cell - 1), expected);
      }
    }
  }
}

TEST(ImageTest, LabelsAreDrawnAlongBothAxes) {
  const client::AttentionMap map = Map(1, 1, 4);
  const AttentionPanels panels = ToPanels(map, client::HeadReduction::kNone);
  const auto layout = LayOut(panels);
  const auto canvas = DrawAttention(panels);
  const auto dark = [&](int x, int y, int width, int height) {
    int count = 0;
    for (int i = y; i < y + height; ++i) {
      for (int j = x; j < x + width; ++j) count += canvas->at(j, i).red < 128 ? 1 : 0;
    }
    return count;
  };
  for (int i = 0; i < 4; ++i) {
    EXPECT_GT(dark(layout->left - layout->label_pixels - 4, layout->top + i * layout->cell, layout->label_pixels,
                   layout->cell),
              20);
    EXPECT_GT(dark(layout->left + i * layout->cell, layout->top - layout->label_pixels - 4, layout->cell,
                   layout->label_pixels),
              20);
  }
}

TEST(ImageTest, LongInputsGetSmallerCellsAndAtLastARefusal) {
  const client::AttentionMap map = Map(1, 1, 300);
  const auto layout = LayOut(ToPanels(map, client::HeadReduction::kNone));
  ASSERT_TRUE(layout.ok());
  EXPECT_GE(layout->cell * layout->label_step, kGlyphHeight + 1);
  AttentionPanels panels;
  panels.layers = 24;
  panels.heads = 16;
  panels.panels.resize(24 * 16);
  panels.row_labels.assign(512, "token");
  panels.column_labels.assign(512, "token");
  EXPECT_TRUE(absl::IsInvalidArgument(LayOut(panels).status()));
  panels.heads = panels.layers = 4;
  panels.panels.resize(16);
  const auto small = LayOut(panels);
  ASSERT_TRUE(small.ok());
  EXPECT_GT(small->label_step, 1);
}

TEST(CanvasTest, PngReadsBackPixelForPixel) {
  Canvas canvas(37, 21, {1, 2, 3});
  canvas.FillRect(5, 6, 100, 100, {200, 100, 50});
  canvas.DrawText(2, 1, "Ag", {9, 9, 9});
  canvas.DrawTextUpwards(30, 20, "x", {7, 7, 7});
  canvas.DrawText(-3, -3, "cut", {0, 0, 0});
  const auto png = canvas.EncodePng();
  ASSERT_TRUE(png.ok());
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_memory(&image, png->data(), png->size()), 0);
  ASSERT_EQ(image.width, 37u);
  ASSERT_EQ(image.height, 21u);
  image.format = PNG_FORMAT_RGB;
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
  ASSERT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0);
  for (int y = 0; y < 21; ++y) {
    for (int x = 0; x < 37; ++x) {
      const uint8_t* pixel = &pixels[static_cast<size_t>((y * 37 + x) * 3)];
      ASSERT_EQ((Color{pixel[0], pixel[1], pixel[2]}), canvas.at(x, y)) << x << "," << y;
    }
  }
  EXPECT_EQ(canvas.at(20, 15), (Color{200, 100, 50}));
}

TEST(CanvasTest, TextUpwardsIsTextTurned) {
  Canvas flat(20, 20, {255, 255, 255});
  flat.DrawText(0, 0, "F", {0, 0, 0});
  Canvas turned(20, 20, {255, 255, 255});
  turned.DrawTextUpwards(0, 19, "F", {0, 0, 0});
  for (int row = 0; row < kGlyphHeight; ++row) {
    for (int column = 0; column < kGlyphWidth; ++column) EXPECT_EQ(flat.at(column, row), turned.at(row, 19 - column));
  }
}

}  // namespace
}  // namespace attendant::cli
