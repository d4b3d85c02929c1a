// Whether this process may run AMX instructions. Portable code: runs on CPUs without them.
//
// Linux gives tile registers to a process only on request (Documentation/arch/x86/xstate.rst): asking counts for all
// threads of the process, those yet to come included, and for its children until they execute another program. The
// kernel refuses while any thread has an alternate signal stack too small for the tiles; from then on it refuses such
// stacks (sigaltstack fails with ENOMEM below about 11 KiB). Hence call this early.
//
// Thread-safe and idempotent: asking again is free of effects.
#ifndef ATTENDANT_ENGINE_KERNELS_AMX_PERMISSION_H_
#define ATTENDANT_ENGINE_KERNELS_AMX_PERMISSION_H_

namespace attendant::kernels {

// True where the CPU has AMX tiles with int8 and bf16, the operating system saves them, and it gave this process
// leave to use them.
bool AmxUsable();

}  // namespace attendant::kernels

#endif  // ATTENDANT_ENGINE_KERNELS_AMX_PERMISSION_H_
