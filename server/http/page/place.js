// Where labels go beside their points so that they do not cover each other. No DOM.

const GAP = 9; // px between a point's middle and its label
const LINE = 14;

function boxes([x, y], width) {
  return [
    { dx: GAP, dy: 4, anchor: "start", box: [x + GAP, y - LINE / 2, x + GAP + width, y + LINE / 2] },
    { dx: -GAP, dy: 4, anchor: "end", box: [x - GAP - width, y - LINE / 2, x - GAP, y + LINE / 2] },
    { dx: 0, dy: -GAP, anchor: "middle", box: [x - width / 2, y - GAP - LINE, x + width / 2, y - GAP + 2] },
    { dx: 0, dy: GAP + 9, anchor: "middle", box: [x - width / 2, y + GAP - 2, x + width / 2, y + GAP + LINE] },
  ];
}

function overlap(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

// points: [[x, y]]; widths: of the labels. [{dx, dy, anchor, whole}]: the first side of right, left, above and below that is
// free and inside; where none is, whole is false: there is room for a number only.
export function placeLabels(points, widths, { width, height }) {
  const taken = points.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]);
  return points.map((point, i) => {
    const free = ({ box }) =>
      box[0] >= 0 && box[1] >= 0 && box[2] <= width && box[3] <= height && !taken.some((other) => overlap(box, other));
    const found = boxes(point, widths[i]).find(free);
    const side = found ?? boxes(point, LINE)[0];
    taken.push(side.box);
    return { dx: side.dx, dy: side.dy, anchor: side.anchor, whole: found !== undefined };
  });
}
