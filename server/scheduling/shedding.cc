#include "server/scheduling/shedding.h"

#include <iterator>

namespace attendant {

void Shedding::Update(double fill) {
  int stage = static_cast<int>(stage_);
  while (stage < static_cast<int>(std::size(kBands)) && 100 * fill >= kBands[stage].enter) ++stage;
  while (stage > 0 && 100 * fill < kBands[stage - 1].leave) --stage;
  stage_ = static_cast<SheddingStage>(stage);
}

}  // namespace attendant
