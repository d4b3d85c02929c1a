// Zeroed memory of fixed size, aligned to huge pages where it is large. Move-only owner.
#ifndef ATTENDANT_ENGINE_MODEL_BUFFER_H_
#define ATTENDANT_ENGINE_MODEL_BUFFER_H_

#include <cstdint>
#include <utility>

namespace attendant {

// Anonymous pages: memory becomes resident when first touched, so reserving for the worst case costs nothing.
class Buffer {
 public:
  Buffer() = default;
  // Throws bad_alloc when the address space cannot be had.
  explicit Buffer(int64_t num_floats);
  ~Buffer();
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        map_(std::exchange(other.map_, nullptr)),
        mapped_bytes_(std::exchange(other.mapped_bytes_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(map_, other.map_);
    std::swap(mapped_bytes_, other.mapped_bytes_);
    return *this;
  }

  float* data() { return data_; }
  const float* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  float* data_ = nullptr;
  int64_t bytes_ = 0;
  void* map_ = nullptr;  // what was mapped: data_ is the first aligned address in it
  int64_t mapped_bytes_ = 0;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_MODEL_BUFFER_H_
