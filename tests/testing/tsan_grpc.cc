// Tells ThreadSanitizer what gRPC orders. Linked into every program of a build with -fsanitize=thread, where it takes
// the place of a few functions of gRPC and Abseil, and calls the real ones. Nothing else includes or calls it.
//
// Debian's gRPC and Abseil are not instrumented, so ThreadSanitizer sees neither their locks nor their queues: whatever
// one thread hands to gRPC and another gets back (an operation and its callback, a call that has arrived) looks like a
// race, some four hundred of them in service_test. Suppressing those would hide ours behind them, because most of
// gRPC's C++ is inline and runs in our functions. Instead it is told what is true:
//   - Abseil's mutexes order those who hold them one after another;
//   - what was done before an operation was started, and what the core did until it completed it, comes before the
//     completion is seen. The tag, which is the operation's address, stands for both;
//   - a call is over only when everybody has let go of it: gRPC counts them with an atomic, sometimes in code of its
//     own.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

namespace {

// The function that the loader finds after this program.
template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

void Release(void* tag) {
  if (tag != nullptr) __tsan_release(tag);
}

grpc_event Acquired(const grpc_event& event) {
  if (event.type == GRPC_OP_COMPLETE && event.tag != nullptr) __tsan_acquire(event.tag);
  return event;
}

// An absl::Time or absl::Duration, which are passed in two registers.
struct TwoWords {
  long first;
  long second;
};

}  // namespace

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count, void* tag,
                                                 void* reserved) {
  static auto* const real = Next<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  Release(tag);
  return real(call, ops, count, tag, reserved);
}

extern "C" grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline, void* reserved) {
  static auto* const real = Next<decltype(grpc_completion_queue_next)>("grpc_completion_queue_next");
  return Acquired(real(queue, deadline, reserved));
}

extern "C" grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag, gpr_timespec deadline,
                                                  void* reserved) {
  static auto* const real = Next<decltype(grpc_completion_queue_pluck)>("grpc_completion_queue_pluck");
  return Acquired(real(queue, tag, deadline, reserved));
}

// Functions of C++ by the names that the linker knows them by: their classes are not to be had here.
#define ATTENDANT_STAND_IN(result, name, symbol, ...) \
  result name(__VA_ARGS__) asm(symbol);               \
  constexpr char k##name##Symbol[] = symbol;          \
  result name(__VA_ARGS__)

// Every completion goes through it. The error, an absl::Status by value, is an address to callers and callees, and the
// caller's to destroy.
ATTENDANT_STAND_IN(
    void, EndOperation,
    "_Z14grpc_cq_end_opP21grpc_completion_queuePvN4absl7debian36StatusEPFvS1_P18grpc_cq_completionES1_S6_b",
    void* queue, void* tag, void* error, void* done, void* argument, void* storage, bool internal) {
  static auto* const real = Next<decltype(EndOperation)>(kEndOperationSymbol);
  Release(tag);
  real(queue, tag, error, done, argument, storage, internal);
}

// Called by whoever was the last to let go of a grpc::internal::ServerCallbackCall: a table of virtual functions, the
// count of what OnCancel waits for, the count of those who hold it.
ATTENDANT_STAND_IN(void, ScheduleOnDone, "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb", char* call,
                   bool inline_ondone) {
  static auto* const real = Next<decltype(ScheduleOnDone)>(kScheduleOnDoneSymbol);
  __tsan_acquire(call + sizeof(void*) + sizeof(int));
  real(call, inline_ondone);
}

ATTENDANT_STAND_IN(void, CallOnCancel, "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE",
                   char* call, void* reactor) {
  static auto* const real = Next<decltype(CallOnCancel)>(kCallOnCancelSymbol);
  __tsan_acquire(call + sizeof(void*));
  real(call, reactor);
}

ATTENDANT_STAND_IN(void, Lock, "_ZN4absl7debian35Mutex4LockEv", void* mutex) {
  static auto* const real = Next<decltype(Lock)>(kLockSymbol);
  real(mutex);
  __tsan_acquire(mutex);
}

ATTENDANT_STAND_IN(bool, TryLock, "_ZN4absl7debian35Mutex7TryLockEv", void* mutex) {
  static auto* const real = Next<decltype(TryLock)>(kTryLockSymbol);
  const bool locked = real(mutex);
  if (locked) __tsan_acquire(mutex);
  return locked;
}

ATTENDANT_STAND_IN(void, Unlock, "_ZN4absl7debian35Mutex6UnlockEv", void* mutex) {
  static auto* const real = Next<decltype(Unlock)>(kUnlockSymbol);
  __tsan_release(mutex);
  real(mutex);
}

ATTENDANT_STAND_IN(void, Wait, "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE", void* condition, void* mutex) {
  static auto* const real = Next<decltype(Wait)>(kWaitSymbol);
  __tsan_release(mutex);
  real(condition, mutex);
  __tsan_acquire(mutex);
}

ATTENDANT_STAND_IN(bool, WaitWithDeadline, "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE",
                   void* condition, void* mutex, TwoWords until) {
  static auto* const real = Next<decltype(WaitWithDeadline)>(kWaitWithDeadlineSymbol);
  __tsan_release(mutex);
  const bool expired = real(condition, mutex, until);
  __tsan_acquire(mutex);
  return expired;
}

ATTENDANT_STAND_IN(bool, WaitWithTimeout, "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE",
                   void* condition, void* mutex, TwoWords timeout) {
  static auto* const real = Next<decltype(WaitWithTimeout)>(kWaitWithTimeoutSymbol);
  __tsan_release(mutex);
  const bool expired = real(condition, mutex, timeout);
  __tsan_acquire(mutex);
  return expired;
}
