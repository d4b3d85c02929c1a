// Threads that may lend a hand within one batch, as the engine sees them. Whoever has idle threads implements it.
#ifndef ATTENDANT_ENGINE_TEAM_H_
#define ATTENDANT_ENGINE_TEAM_H_

#include "absl/functional/function_ref.h"

namespace attendant {

// Members beyond this many are of no use: a workspace has scratch memory for so many.
inline constexpr int kMaxTeamMembers = 8;

class Team {
 public:
  virtual ~Team() = default;

  // How many threads would take part just now, the caller included. A hint: it may have changed when this returns.
  virtual int size() const = 0;

  // Runs body(part, member) once for every part in [0, parts), 1 <= parts < 65536, on the caller and on whoever helps;
  // returns when all are done. Members are numbered from 0 (the caller) to kMaxTeamMembers - 1; no two bodies run at
  // once with the same number. Called by one thread at a time; body must not call ParallelFor.
  virtual void ParallelFor(int parts, absl::FunctionRef<void(int part, int member)> body) = 0;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TEAM_H_
