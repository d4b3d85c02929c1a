// An attention answer as a list of maps with titles: what heat map and picture draw.
//
// The panels point into the answer, which must outlive them. Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_ATTENTION_PANELS_H_
#define ATTENDANT_CLIENT_CLI_ATTENTION_PANELS_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "client/lib/types.h"

namespace attendant::cli {

struct AttentionPanel {
  std::string title;              // "layer 5, head 3"
  std::span<const float> values;  // [rows, columns]
  float max = 0;
};

struct AttentionPanels {
  std::vector<AttentionPanel> panels;  // layer by layer, head by head
  std::vector<std::string> row_labels;
  std::vector<std::string> column_labels;
  int layers = 0;
  int heads = 0;  // 1 when reduced

  size_t rows() const { return row_labels.size(); }
  size_t columns() const { return column_labels.size(); }
};

AttentionPanels ToPanels(const client::AttentionMap& map, client::HeadReduction reduction);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_ATTENTION_PANELS_H_
