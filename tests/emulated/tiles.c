// A Linux module that lets programs use AMX tiles on an emulated CPU where Linux itself does not: Bochs has no way to
// trap a first use (IA32_XFD), without which Linux leaves the tiles off. Nobody saves tiles on a switch of threads
// then, so that one thread at a time may use them, on one CPU. Never for a real machine.
#include <linux/init.h>
#include <linux/module.h>

static int __init tiles_on(void) {
  u32 low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  low |= 1u << 17 | 1u << 18;  // tile configuration, tile data
  asm volatile("xsetbv" ::"a"(low), "d"(high), "c"(0));
  return 0;
}

static void __exit tiles_stay(void) {}

module_init(tiles_on);
module_exit(tiles_stay);
MODULE_DESCRIPTION("AMX tiles for tests on an emulated CPU");
MODULE_LICENSE("Apache-2.0");
