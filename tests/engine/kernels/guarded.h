// Arrays for kernel tests: any misalignment, surrounded by slack of one byte value. With the default value floats
// around are NaN, so that a read outside shows in the result; a write outside shows in the slack. Where no NaN exists,
// two runs with different slack that give the same result show that nothing outside was used.
#ifndef ATTENDANT_TESTS_ENGINE_KERNELS_GUARDED_H_
#define ATTENDANT_TESTS_ENGINE_KERNELS_GUARDED_H_

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace attendant {

template <typename T>
class GuardedArray {
 public:
  // misalignment: in elements. The elements begin with the slack's bytes, too.
  GuardedArray(int64_t size, int misalignment, uint8_t slack = 0xFF)
      : storage_(static_cast<size_t>(size + 2 * kSlack)), offset_(kSlack + misalignment), size_(size), slack_(slack) {
    std::memset(storage_.data(), slack, storage_.size() * sizeof(T));
  }

  T* data() { return storage_.data() + offset_; }
  const T* data() const { return storage_.data() + offset_; }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) { return data()[i]; }
  const T& operator[](int64_t i) const { return data()[i]; }

  // Floats, normally distributed.
  void FillRandom(std::mt19937& random, float spread = 1.0f) {
    std::normal_distribution<float> normal(0.0f, spread);
    for (int64_t i = 0; i < size_; ++i) data()[i] = normal(random);
  }

  bool SlackIsUntouched() const {
    for (int64_t i = 0; i < static_cast<int64_t>(storage_.size()); ++i) {
      if (i >= offset_ && i < offset_ + size_) continue;
      if (!IsSlack(storage_[static_cast<size_t>(i)])) return false;
    }
    return true;
  }

  // Still the bytes that it began with.
  bool IsUntouched(int64_t i) const { return IsSlack(data()[i]); }

 private:
  bool IsSlack(const T& element) const {
    T untouched;
    std::memset(&untouched, slack_, sizeof(T));
    return std::memcmp(&element, &untouched, sizeof(T)) == 0;
  }

  static constexpr int64_t kSlack = 320 / static_cast<int64_t>(sizeof(T));
  std::vector<T> storage_;
  int64_t offset_;
  int64_t size_;
  uint8_t slack_;
};

using Guarded = GuardedArray<float>;

template <typename T>
bool SameBits(const GuardedArray<T>& a, const GuardedArray<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<size_t>(a.size()) * sizeof(T)) == 0;
}

}  // namespace attendant

#endif  // ATTENDANT_TESTS_ENGINE_KERNELS_GUARDED_H_
