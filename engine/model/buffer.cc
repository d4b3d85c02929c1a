#include "engine/model/buffer.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

namespace attendant {
namespace {

constexpr int64_t kHugePageBytes = 2 << 20;

}  // namespace

Buffer::Buffer(int64_t num_floats) {
  bytes_ = (num_floats * static_cast<int64_t>(sizeof(float)) + 4095) / 4096 * 4096;
  if (bytes_ == 0) return;
  void* map = mmap(nullptr, static_cast<size_t>(bytes_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) {
    std::fprintf(stderr, "cannot allocate %lld bytes\n", static_cast<long long>(bytes_));
    std::abort();
  }
  // Weights are read in long streams: fewer, larger pages spare the TLB. Only a hint.
  if (bytes_ >= kHugePageBytes) madvise(map, static_cast<size_t>(bytes_), MADV_HUGEPAGE);
  data_ = static_cast<float*>(map);
}

Buffer::~Buffer() {
  if (data_ != nullptr) munmap(data_, static_cast<size_t>(bytes_));
}

}  // namespace attendant
