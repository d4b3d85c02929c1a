// In which order a filling queue stops accepting: bulk calls at half of the budget, new streams at three quarters,
// everything at the end. A stage is left well below where it was entered, so that the server does not flutter between
// yes and no, and callers that were told to come back later find room.
//
// Thread-safety: none. It is policy only.
#ifndef ATTENDANT_SERVER_SCHEDULING_SHEDDING_H_
#define ATTENDANT_SERVER_SCHEDULING_SHEDDING_H_

#include "server/scheduling/scheduler.h"

namespace attendant {

class Shedding {
 public:
  // Shares of the queue's budget, in percent.
  struct Band {
    int enter;
    int leave;
  };
  static constexpr Band kBands[] = {{50, 40}, {75, 60}, {95, 90}};  // kBulk, kStreams, kAll

  // fill: the larger of items and tokens queued, as shares of their budgets.
  void Update(double fill);
  SheddingStage stage() const { return stage_; }

 private:
  SheddingStage stage_ = SheddingStage::kNone;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_SHEDDING_H_
