// The two classes of service. Interactive: somebody waits for it; bulk: takes whatever capacity is left, with a bound
// on how long it waits.
#ifndef ATTENDANT_SERVER_SCHEDULING_SERVICE_CLASS_H_
#define ATTENDANT_SERVER_SCHEDULING_SERVICE_CLASS_H_

namespace attendant {

enum class ServiceClass { kInteractive, kBulk };
inline constexpr int kNumServiceClasses = 2;

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_SERVICE_CLASS_H_
