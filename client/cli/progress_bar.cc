#include "client/cli/progress_bar.h"

#include <algorithm>
#include <cmath>

#include "client/cli/format.h"

namespace attendant::cli {
namespace {

constexpr std::chrono::milliseconds kInterval{100};
constexpr std::chrono::milliseconds kQuietStart{500};
constexpr int kBarWidth = 20;
// Below this the estimate of what is left is noise.
constexpr double kSmallestShareForEta = 0.005;

}  // namespace

std::string ProgressLine(std::optional<double> share, int64_t items, double seconds) {
  std::string line;
  if (share.has_value()) {
    const double done = std::clamp(*share, 0.0, 1.0);
    const int filled = static_cast<int>(done * kBarWidth);
    line = "[" + std::string(static_cast<size_t>(filled), '#') +
           std::string(static_cast<size_t>(kBarWidth - filled), '.') + "] " +
           PaddedLeft(std::to_string(static_cast<int>(done * 100)), 3) + "%  ";
  }
  const double rate = seconds > 0 ? static_cast<double>(items) / seconds : 0;
  line += WithCommas(items) + " items  " + WithCommas(std::llround(rate)) + "/s";
  if (share.has_value() && *share >= kSmallestShareForEta)
    line += "  " + Clock(seconds * (1 - *share) / *share) + " left";
  return line;
}

void ProgressBar::Update(std::optional<double> share, int64_t items, TimePoint now) {
  if (!enabled_ || now < next_ || now - start_ < kQuietStart) return;
  next_ = now + kInterval;
  err_ << "\r\x1b[K" << ProgressLine(share, items, std::chrono::duration<double>(now - start_).count()) << std::flush;
  drawn_ = true;
}

void ProgressBar::Clear() {
  if (drawn_) err_ << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

}  // namespace attendant::cli
