// Attention maps as a picture: a grid of panels, each with its title and the tokens along both axes.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_ATTENTION_IMAGE_H_
#define ATTENDANT_CLIENT_CLI_ATTENTION_IMAGE_H_

#include "absl/status/statusor.h"
#include "client/cli/attention_panels.h"
#include "client/cli/canvas.h"

namespace attendant::cli {

// Where things are, in pixels; panel (0, 0)'s map begins at (left, top).
struct ImageLayout {
  int grid_columns = 1;
  int grid_rows = 1;
  int cell = 1;          // size of one weight
  int label_step = 1;    // every how many tokens a label fits
  int label_pixels = 0;  // room for the longest label
  int left = 0;
  int top = 0;
  int panel_width = 0;  // from one map's left edge to the next one's
  int panel_height = 0;
  int width = 0;
  int height = 0;
};

// INVALID_ARGUMENT when even one pixel a weight makes too large a picture.
absl::StatusOr<ImageLayout> LayOut(const AttentionPanels& panels);

absl::StatusOr<Canvas> DrawAttention(const AttentionPanels& panels);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_ATTENTION_IMAGE_H_
