// What decides the result of a piece of work, as bytes: the loaded model, the tokens, what is wanted of them.
//
// Two keys are equal if and only if the work is; no hash is trusted. A model that was loaded again is another one.
// Plain data.
#ifndef ATTENDANT_SERVER_SCHEDULING_WORK_KEY_H_
#define ATTENDANT_SERVER_SCHEDULING_WORK_KEY_H_

#include <optional>
#include <string>

#include "server/scheduling/scheduler_types.h"

namespace attendant {

using WorkKey = std::string;

// None: work of this kind is not shared. Attention is large, and rarely asked for twice.
std::optional<WorkKey> KeyOf(const ModelRuntime& runtime, const WorkItem& item);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_WORK_KEY_H_
