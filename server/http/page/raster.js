// Matrices as pixels, and where things are on the plane that shows them. No DOM.

import { stepOf } from "./color.js";

// [rows * columns] bytes of RGBA from shares of 0..1.
export function pixels(shares, table, out = new Uint8ClampedArray(shares.length * 4)) {
  for (let i = 0, at = 0; i < shares.length; ++i, at += 4) {
    const from = stepOf(shares[i]) * 3;
    out[at] = table[from];
    out[at + 1] = table[from + 1];
    out[at + 2] = table[from + 2];
    out[at + 3] = 255;
  }
  return out;
}

// value / most, 0 for what does not count.
export function sharesOf(map, n, counted, most) {
  const out = new Float32Array(n * n);
  if (!(most > 0)) return out;
  for (let row = 0; row < n; ++row) {
    if (!counted[row]) continue;
    for (let column = 0; column < n; ++column) {
      if (counted[column]) out[row * n + column] = map[row * n + column] / most;
    }
  }
  return out;
}

// A small picture of a large matrix: each pixel is the greatest value under it, so that no bright cell is lost.
export function shrink(shares, n, size) {
  if (size >= n) return { shares, size: n };
  const out = new Float32Array(size * size);
  for (let row = 0; row < n; ++row) {
    const base = Math.floor((row * size) / n) * size;
    for (let column = 0; column < n; ++column) {
      const at = base + Math.floor((column * size) / n);
      const value = shares[row * n + column];
      if (value > out[at]) out[at] = value;
    }
  }
  return { shares: out, size };
}

export const SMALLEST_LABEL = 11; // px between two labels, below which they cannot be read

// How a matrix of n x n lies in a view of width x height: cells of whole pixels between 1 and `most`, as large as fit;
// zoom is a factor on that.
export function layout({ n, width, height, left, top, zoom = 1, most = 40 }) {
  const room = Math.min(width - left, height - top);
  const fit = Math.min(Math.max(Math.floor(room / Math.max(n, 1)), 1), most);
  const cell = Math.min(Math.max(Math.round(fit * zoom), 1), 64);
  return { cell, left, top, stride: Math.ceil(SMALLEST_LABEL / cell), width: left + n * cell, height: top + n * cell };
}

// The cell at (x, y) of the whole plane, or null.
export function cellAt({ cell, left, top }, n, x, y) {
  const column = Math.floor((x - left) / cell);
  const row = Math.floor((y - top) / cell);
  return row >= 0 && row < n && column >= 0 && column < n ? { row, column } : null;
}

// Where the cursor goes, or null for a key that does not move it.
export function moved({ row, column }, key, n, control) {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-10, 0], PageDown: [10, 0] };
  const clamp = (value) => Math.min(Math.max(value, 0), n - 1);
  if (key === "Home") return { row: control ? 0 : row, column: 0 };
  if (key === "End") return { row: control ? n - 1 : row, column: n - 1 };
  const step = steps[key];
  return step ? { row: clamp(row + step[0]), column: clamp(column + step[1]) } : null;
}

// What [from, from + size) must become so that [begin, end) is in sight.
export function scrolledTo(from, size, begin, end) {
  if (begin < from) return begin;
  return end > from + size ? end - size : from;
}

// The lines of a map that are worth drawing: {row, column, share}, faintest first, at most `most` of them.
export function visibleLines(shares, n, { least = 0.04, most = 3000, row = null } = {}) {
  const found = [];
  const [begin, end] = row === null ? [0, n] : [row, row + 1];
  for (let i = begin; i < end; ++i) {
    for (let column = 0; column < n; ++column) {
      const share = shares[i * n + column];
      if (share >= least) found.push({ row: i, column, share });
    }
  }
  found.sort((a, b) => a.share - b.share);
  return found.length > most ? found.slice(found.length - most) : found;
}
