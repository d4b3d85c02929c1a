// The picture of `attendant compare --plot`.
#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/drift_report.h"
#include "client/cli/font.h"
#include "client/cli/format.h"

namespace attendant::cli {
namespace {

constexpr Color kPaper{255, 255, 255};
constexpr Color kInk{40, 40, 40};
constexpr Color kFaint{215, 215, 215};
constexpr Color kDot{70, 25, 110};
constexpr Color kBar{165, 45, 105};

constexpr int kSide = 420;  // of the square of similarities
constexpr int kMargin = 16;
constexpr int kTitle = 2 * (kGlyphHeight + 6);
constexpr int kLeft = 64;  // room for the numbers of the vertical axis
constexpr int kTop = kMargin + kTitle;
constexpr int kBottom = 40;
constexpr int kBarsLeft = kLeft + kSide + 150;
constexpr int kBarsWidth = 300;
constexpr int kWidth = kBarsLeft + kBarsWidth + 80;
constexpr int kHeight = kTop + kSide + kBottom;

struct Scale {
  double low, high;
  int Pixel(double value) const { return static_cast<int>(std::lround((value - low) / (high - low) * (kSide - 1))); }
};

// Both axes alike, so that agreement is the diagonal.
Scale ScaleOf(const Drift& drift) {
  double low = 1, high = -1;
  for (const auto* pairs : {&drift.first_pairs, &drift.second_pairs}) {
    for (const double value : *pairs) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (low >= high) return {-1, 1};
  return {std::floor(low * 10) / 10, std::ceil(high * 10) / 10};
}

void DrawSimilarities(const Drift& drift, Canvas* canvas) {
  const Scale scale = ScaleOf(drift);
  const int floor = kTop + kSide - 1;
  canvas->FillRect(kLeft, kTop, kSide, kSide, {248, 248, 248});
  for (int i = 0; i < kSide; ++i) canvas->FillRect(kLeft + i, floor - i, 1, 1, kFaint);
  for (int tick = 0; tick <= 4; ++tick) {
    const double value = scale.low + (scale.high - scale.low) * tick / 4;
    const std::string label = Fixed(value, 2);
    canvas->DrawText(kLeft - 6 - TextWidth(label), floor - scale.Pixel(value) - kGlyphHeight / 2, label, kInk);
    canvas->DrawText(kLeft + scale.Pixel(value) - TextWidth(label) / 2, floor + 8, label, kInk);
  }
  for (size_t i = 0; i < drift.first_pairs.size(); ++i) {
    const double x = drift.first_pairs[i];
    const double y = drift.second_pairs[i];
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    canvas->FillRect(kLeft + scale.Pixel(x) - 1, floor - scale.Pixel(y) - 1, 2, 2, kDot);
  }
  canvas->DrawText(
      kLeft, floor + 8 + kGlyphHeight + 6,
      absl::StrCat("similarity of pairs: ", drift.first.model.name, " across, ", drift.second.model.name, " up"), kInk);
}

void DrawHistogram(const Drift& drift, Canvas* canvas) {
  const DriftHistogram counts = HistogramOf(drift);
  const size_t most = std::max<size_t>(1, *std::max_element(counts.begin(), counts.end()));
  const int step = kSide / static_cast<int>(counts.size());
  for (size_t bucket = 0; bucket < counts.size(); ++bucket) {
    const int top = kTop + static_cast<int>(bucket) * step;
    const std::string name = DriftBucketName(bucket);
    const int length = static_cast<int>(counts[bucket] * kBarsWidth / most);
    canvas->DrawText(kBarsLeft - 8 - TextWidth(name), top + step / 2 - kGlyphHeight / 2, name, kInk);
    canvas->FillRect(kBarsLeft, top + 3, 1, step - 6, kInk);
    canvas->FillRect(kBarsLeft + 1, top + 6, length, step - 12, kBar);
    canvas->DrawText(kBarsLeft + length + 6, top + step / 2 - kGlyphHeight / 2,
                     WithCommas(static_cast<int64_t>(counts[bucket])), kInk);
  }
  canvas->DrawText(kBarsLeft, kTop + kSide + 8, "items by 1 - cosine", kInk);
}

}  // namespace

Canvas DrawDrift(const Drift& drift) {
  Canvas canvas(kWidth, kHeight, kPaper);
  const auto name = [](const DriftSide& side) {
    return absl::StrCat(side.model.name, " (", side.model.precision, ", ", side.model.kernels, ")");
  };
  canvas.DrawText(kMargin, kMargin, absl::StrCat(name(drift.first), " and ", name(drift.second)), kInk);
  std::string summary = absl::StrCat(WithCommas(static_cast<int64_t>(drift.answered.size())), " items, Spearman ",
                                     Fixed(drift.spearman, 6));
  if (!drift.cosines.empty()) absl::StrAppend(&summary, ", worst cosine ", Fixed(drift.worst(), 6));
  canvas.DrawText(kMargin, kMargin + kGlyphHeight + 6, summary, kInk);
  DrawSimilarities(drift, &canvas);
  if (!drift.cosines.empty()) DrawHistogram(drift, &canvas);
  return canvas;
}

}  // namespace attendant::cli
