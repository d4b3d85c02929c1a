#include "client/cli/attention_panels.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace attendant::cli {
namespace {

std::string Title(const client::AttentionMap& map, size_t layer, size_t head, client::HeadReduction reduction) {
  std::string title = absl::StrCat("layer ", map.layers[layer], ", ");
  if (reduction == client::HeadReduction::kNone) return absl::StrCat(title, "head ", map.heads[head]);
  const char* what = reduction == client::HeadReduction::kMean ? "mean" : "max";
  if (map.heads.size() == 1) return absl::StrCat(title, "head ", map.heads[0]);
  return absl::StrCat(title, what, " of ", map.heads.size(), " heads");
}

}  // namespace

AttentionPanels ToPanels(const client::AttentionMap& map, client::HeadReduction reduction) {
  AttentionPanels out;
  out.layers = map.shape[0];
  out.heads = map.shape[1];
  for (const client::Token& token : map.tokens) out.column_labels.push_back(token.text);
  for (const int32_t row : map.query_rows) {
    const bool known = row >= 0 && static_cast<size_t>(row) < map.tokens.size();
    out.row_labels.push_back(known ? map.tokens[static_cast<size_t>(row)].text : "?");
  }
  const size_t size = out.rows() * out.columns();
  for (size_t layer = 0; layer < static_cast<size_t>(out.layers); ++layer) {
    for (size_t head = 0; head < static_cast<size_t>(out.heads); ++head) {
      const size_t index = layer * static_cast<size_t>(out.heads) + head;
      AttentionPanel panel;
      panel.title = Title(map, layer, head, reduction);
      panel.values = std::span<const float>(map.values).subspan(index * size, size);
      panel.max = panel.values.empty() ? 0 : *std::max_element(panel.values.begin(), panel.values.end());
      out.panels.push_back(std::move(panel));
    }
  }
  return out;
}

}  // namespace attendant::cli
