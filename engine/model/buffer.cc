#include "engine/model/buffer.h"

#include <sys/mman.h>

#include <new>

namespace attendant {
namespace {

constexpr int64_t kHugePageBytes = 2 << 20;
constexpr int64_t kPageBytes = 4096;

}  // namespace

// Large buffers begin and end on huge pages: weights are read in long streams, and fewer, larger pages spare the TLB
// and let the hardware's prefetchers run on. Only a hint to the kernel.
Buffer::Buffer(int64_t num_floats) {
  const int64_t wanted = num_floats * static_cast<int64_t>(sizeof(float));
  if (wanted == 0) return;
  const bool huge = wanted >= kHugePageBytes / 2;
  const int64_t page = huge ? kHugePageBytes : kPageBytes;
  bytes_ = (wanted + page - 1) / page * page;
  mapped_bytes_ = huge ? bytes_ + kHugePageBytes : bytes_;
  map_ = mmap(nullptr, static_cast<size_t>(mapped_bytes_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map_ == MAP_FAILED) {
    map_ = nullptr;
    throw std::bad_alloc();  // as new does: who loads or computes says what failed
  }
  const auto address = reinterpret_cast<uintptr_t>(map_);
  const auto alignment = static_cast<uintptr_t>(page);
  data_ = reinterpret_cast<float*>((address + alignment - 1) / alignment * alignment);
  if (huge) madvise(data_, static_cast<size_t>(bytes_), MADV_HUGEPAGE);
}

Buffer::~Buffer() {
  if (map_ != nullptr) munmap(map_, static_cast<size_t>(mapped_bytes_));
}

}  // namespace attendant
