// What canvases have in common: the page's colours, the labels at a matrix' sides, and a whole map as a picture.

import { h } from "./dom.js";
import { pixels } from "./raster.js";

export const MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";

export function scheme() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen) return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function themeColors() {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    paper: color("surface"),
    ink: color("ink"),
    muted: color("ink-muted"),
    line: color("line"),
    focus: color("focus"),
    veil: color("veil"),
    accent: color("accent"),
  };
}

// Cuts a label to a width, in a font whose letters are equally wide.
export function shortened(text, letters) {
  return text.length > letters ? `${text.slice(0, Math.max(letters - 1, 1))}…` : text;
}

// The labels along both sides, those that have room; the marked ones stand out.
export function paintAxes(context, { at, labels, columnLabels = labels, scroll, size, mark, theme }) {
  const letters = Math.floor((at.left - 12) / 7.3);
  context.font = `12px ${MONO}`;
  context.textBaseline = "middle";
  const chosen = (i, marked) => i === marked || (i % at.stride === 0 && (marked === undefined || Math.abs(i - marked) * at.cell >= 11));
  const side = (names, begin, end, marked, write) => {
    for (let i = 0; i < names.length; ++i) {
      const middle = begin + (i + 0.5) * at.cell;
      if (middle < begin + end.from || middle > end.to || !chosen(i, marked)) continue;
      context.fillStyle = i === marked ? theme.ink : theme.muted;
      context.font = `${i === marked ? "600 " : ""}12px ${MONO}`;
      write(shortened(names[i], letters), middle);
    }
  };
  context.textAlign = "right";
  side(labels, at.top - scroll[1], { from: scroll[1], to: size[1] }, mark?.row, (text, y) => context.fillText(text, at.left - 7, y));
  context.textAlign = "left";
  const upright = columnLabels.every((text) => text.length <= 3 && text.length * 7.3 + 2 <= at.cell * at.stride);
  side(columnLabels, at.left - scroll[0], { from: scroll[0], to: size[0] }, mark?.column, (text, x) => {
    context.save();
    context.translate(x, at.top - 7);
    if (upright) context.textAlign = "center";
    else context.rotate(-Math.PI / 2);
    context.fillText(text, 0, upright ? -5 : 0);
    context.restore();
  });
}

// The whole map with title and labels, as a canvas of its own.
export function picture({ shares, n, labels, table }, title, theme) {
  const cell = n <= 64 ? 20 : n <= 200 ? 12 : 6;
  const margin = Math.min(Math.max(...labels.map((text) => text.length)) * 7.3 + 16, 160);
  const at = { cell, left: margin, top: margin + 32, stride: Math.ceil(11 / cell) };
  const size = [margin + n * cell + 12, margin + 32 + n * cell + 12];
  const canvas = h("canvas");
  Object.assign(canvas, { width: size[0] * 2, height: size[1] * 2 });
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.fillStyle = theme.paper;
  context.fillRect(0, 0, ...size);
  context.fillStyle = theme.ink;
  context.font = "14px system-ui, sans-serif";
  context.fillText(title, 12, 22);
  const cells = new OffscreenCanvas(n, n);
  cells.getContext("2d").putImageData(new ImageData(pixels(shares, table), n, n), 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(cells, at.left, at.top, n * cell, n * cell);
  paintAxes(context, { at, labels, scroll: [0, 0], size, theme });
  return canvas;
}
