// Arrays for kernel tests: any misalignment, surrounded by NaN, so that a read outside shows in the result and a write
// outside shows in the slack.
#ifndef ATTENDANT_TESTS_ENGINE_KERNELS_GUARDED_H_
#define ATTENDANT_TESTS_ENGINE_KERNELS_GUARDED_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace attendant {

class Guarded {
 public:
  Guarded(int64_t size, int misalignment)
      : storage_(static_cast<size_t>(size + 2 * kSlack), std::numeric_limits<float>::quiet_NaN()),
        offset_(kSlack + misalignment),
        size_(size) {}

  float* data() { return storage_.data() + offset_; }
  const float* data() const { return storage_.data() + offset_; }
  int64_t size() const { return size_; }
  float& operator[](int64_t i) { return data()[i]; }

  void FillRandom(std::mt19937& random, float spread = 1.0f) {
    std::normal_distribution<float> normal(0.0f, spread);
    for (int64_t i = 0; i < size_; ++i) data()[i] = normal(random);
  }

  bool SlackIsUntouched() const {
    for (int64_t i = 0; i < static_cast<int64_t>(storage_.size()); ++i) {
      const bool inside = i >= offset_ && i < offset_ + size_;
      if (!inside && !std::isnan(storage_[static_cast<size_t>(i)])) return false;
    }
    return true;
  }

 private:
  static constexpr int64_t kSlack = 80;
  std::vector<float> storage_;
  int64_t offset_;
  int64_t size_;
};

}  // namespace attendant

#endif  // ATTENDANT_TESTS_ENGINE_KERNELS_GUARDED_H_
