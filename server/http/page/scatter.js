// A map of points with their labels, as a small SVG.

import { h, svg } from "./dom.js";
import { shortened } from "./paint.js";
import { placeLabels } from "./place.js";

const [WIDTH, HEIGHT] = [520, 380];
const PAD = 32;

// map: {points, explained} of principalMap; labels: one for each point.
export function scatter({ points, explained }, labels, title) {
  const reach = Math.max(1e-9, ...points.flat().map(Math.abs));
  const scale = (Math.min(WIDTH, HEIGHT) / 2 - PAD) / reach;
  const wide = Math.min((WIDTH / 2 - PAD) / Math.max(1e-9, ...points.map(([x]) => Math.abs(x))), scale * 1.5);
  const places = points.map(([x, y]) => [WIDTH / 2 + x * wide, HEIGHT / 2 - y * scale]);
  const texts = labels.map((label, i) => `${i + 1} ${shortened(label, 26)}`);
  const sides = placeLabels(places, texts.map((text) => text.length * 5.9), { width: WIDTH, height: HEIGHT });
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "scatter", role: "img", "aria-label": describe(points, labels, title) });
  plot.append(svg("line", { class: "chart-grid", x1: WIDTH / 2, x2: WIDTH / 2, y1: 0, y2: HEIGHT }));
  plot.append(svg("line", { class: "chart-grid", y1: HEIGHT / 2, y2: HEIGHT / 2, x1: 0, x2: WIDTH }));
  const layers = [svg("g"), svg("g")]; // all labels above all points
  places.forEach(([x, y], i) => {
    layers[0].append(svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 5 }, svg("title", {}, labels[i])));
    const { dx, dy, anchor, whole } = sides[i];
    layers[1].append(
      svg("text", { x: (x + dx).toFixed(1), y: (y + dy).toFixed(1), "text-anchor": anchor }, whole ? texts[i] : String(i + 1)),
    );
  });
  plot.append(...layers);
  const percent = (share) => `${Math.round(share * 100)} %`;
  const caption = `${title}. Across: ${percent(explained[0])} of how the vectors differ, up: ${percent(explained[1])}. What is far apart here is far apart; what is close may still differ in the rest.`;
  return h("figure", {}, plot, h("figcaption", {}, caption));
}

function describe(points, labels, title) {
  const places = points.map(([x, y], i) => `${labels[i]} at ${x.toFixed(2)}, ${y.toFixed(2)}`);
  return `${title}. ${places.join("; ")}`;
}
