// A wall clock that jumps: preloaded into a process, it adds the number of seconds in the file $CLOCK_JUMP_FILE to
// CLOCK_REALTIME, as when somebody sets a machine's time. The steady clocks are left alone.
//
// The kernel's own clock does not jump, so a wait until a moment of CLOCK_REALTIME (which is how Abseil, and through it
// gRPC, waits) has to be translated, and cut into slices in which the clock may jump. Otherwise a wait of a second that
// begins after a jump of an hour would take an hour, which no real jump does. Waits go through syscall(2) in Abseil;
// those of the C library on CLOCK_REALTIME (pthread_cond_timedwait and its like) are not covered, and nothing here uses
// them.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// How late a waiter may learn of a jump.
static const long kSliceNs = 10 * 1000 * 1000;
static const long kSecondNs = 1000 * 1000 * 1000;

// One long long, shared with the script that writes it.
static const volatile long long* Offset(void) {
  static const long long kNone = 0;
  static const volatile long long* offset = NULL;
  if (offset != NULL) return offset;
  const char* path = getenv("CLOCK_JUMP_FILE");
  const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  void* mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(long long), PROT_READ, MAP_SHARED, fd, 0);
  if (fd >= 0) close(fd);
  offset = mapped == MAP_FAILED ? &kNone : mapped;
  return offset;
}

static int RealClock(clockid_t clock, struct timespec* now) {
  static int (*real)(clockid_t, struct timespec*) = NULL;
  if (real == NULL) real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  return real(clock, now);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const int result = RealClock(clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += (time_t)*Offset();
  return result;
}

int gettimeofday(struct timeval* now, void* zone) {
  (void)zone;
  struct timespec exact;
  const int result = clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return result;
}

time_t time(time_t* out) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (out != NULL) *out = exact.tv_sec;
  return exact.tv_sec;
}

typedef long (*SystemCall)(long number, ...);

static SystemCall RealSyscall(void) {
  static SystemCall real = NULL;
  if (real == NULL) real = (SystemCall)dlsym(RTLD_NEXT, "syscall");
  return real;
}

// The kernel's time at which a wait until `deadline` of the jumping clock has to look at that clock again. Whether that
// is the deadline itself.
static int NextLook(const struct timespec* deadline, struct timespec* until) {
  RealClock(CLOCK_REALTIME, until);
  const long long seconds = (long long)deadline->tv_sec - *Offset() - until->tv_sec;
  const long long left_ns = seconds * kSecondNs + deadline->tv_nsec - until->tv_nsec;  // within 292 years
  const long slice_ns = left_ns < 0 ? 0 : left_ns < kSliceNs ? (long)left_ns : kSliceNs;
  until->tv_nsec += slice_ns;
  until->tv_sec += until->tv_nsec / kSecondNs;
  until->tv_nsec %= kSecondNs;
  return slice_ns == left_ns || left_ns < 0;
}

long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long argument[6];
  for (int i = 0; i < 6; ++i) argument[i] = va_arg(list, long);
  va_end(list);
  const SystemCall real = RealSyscall();
  const struct timespec* const deadline = (const struct timespec*)argument[3];
  if (number != SYS_futex || (argument[1] & FUTEX_CLOCK_REALTIME) == 0 || deadline == NULL) {
    return real(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
  }
  for (;;) {
    struct timespec until;
    const int last = NextLook(deadline, &until);
    const long result = real(number, argument[0], argument[1], argument[2], &until, argument[4], argument[5]);
    if (last || result == 0 || errno != ETIMEDOUT) return result;
  }
}
