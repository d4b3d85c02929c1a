// An attention map in a terminal: a row a query token, two columns a key token, darker to brighter with the weight.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_HEAT_MAP_H_
#define ATTENDANT_CLIENT_CLI_HEAT_MAP_H_

#include <string>

#include "client/cli/attention_panels.h"

namespace attendant::cli {

enum class HeatMapStyle { kAscii, kColor256, kTrueColor };

// columns: of the terminal; what does not fit is left out, and a line says so.
std::string RenderHeatMap(const AttentionPanels& panels, size_t index, HeatMapStyle style, int columns);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_HEAT_MAP_H_
