#include "engine/kernels/amx_permission.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace attendant::kernels {
namespace {

constexpr uint32_t kBf16Bit = 1u << 22, kTileBit = 1u << 24, kInt8Bit = 1u << 25;  // CPUID leaf 7, EDX
constexpr uint32_t kTileConfiguration = 17, kTileData = 18;                        // components of XCR0
constexpr long kRequestComponent = 0x1023;  // ARCH_REQ_XCOMP_PERM of <asm/prctl.h>, which older systems lack

bool CpuHasAmx() {
  uint32_t a, b, c, d;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr uint32_t kNeeded = kBf16Bit | kTileBit | kInt8Bit;
  return (d & kNeeded) == kNeeded;
}

bool SystemSavesTiles() {
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return false;
  uint32_t low, high;
  // As assembly, because the intrinsic wants the whole file compiled for XSAVE.
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr uint32_t kNeeded = 1u << kTileConfiguration | 1u << kTileData;
  return (low & kNeeded) == kNeeded;
}

}  // namespace

bool AmxUsable() {
  return CpuHasAmx() && SystemSavesTiles() && syscall(SYS_arch_prctl, kRequestComponent, kTileData) == 0;
}

}  // namespace attendant::kernels
