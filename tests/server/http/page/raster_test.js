import assert from "node:assert/strict";
import { test } from "node:test";

import { linePath, niceMaximum, shortBytes, shortNumber, shortSeconds } from "../../../../server/http/page/chart.js";
import { cellAt, layout, moved, pixels, scrolledTo, sharesOf, shrink, visibleLines } from "../../../../server/http/page/raster.js";

test("shares are of the greatest value; what does not count is nothing", () => {
  const map = Float32Array.of(0.5, 0.25, 1, 0.125);
  assert.deepEqual([...sharesOf(map, 2, Uint8Array.of(1, 1), 1)], [0.5, 0.25, 1, 0.125]);
  assert.deepEqual([...sharesOf(map, 2, Uint8Array.of(0, 1), 0.125)], [0, 0, 0, 1]);
  assert.deepEqual([...sharesOf(map, 2, Uint8Array.of(1, 1), 0)], [0, 0, 0, 0]);
});

test("pixels are the table's colours", () => {
  const table = Uint8Array.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  assert.deepEqual([...pixels(Float32Array.of(0, 1), table)], [0, 0, 0, 255, 255, 255, 255, 255]);
});

test("a small picture keeps the brightest cell", () => {
  const n = 100;
  const shares = new Float32Array(n * n);
  shares[37 * n + 99] = 1;
  const small = shrink(shares, n, 16);
  assert.equal(small.size, 16);
  assert.equal(small.shares[Math.floor((37 * 16) / n) * 16 + 15], 1);
  assert.equal(small.shares.reduce((a, b) => a + b), 1);
  assert.equal(shrink(shares, n, 200).shares, shares);
});

test("a matrix fills its view with whole pixels, between one and the most a cell may have", () => {
  const view = { width: 660, height: 700, left: 60, top: 60 };
  assert.equal(layout({ ...view, n: 15 }).cell, 40);
  assert.equal(layout({ ...view, n: 256 }).cell, 2);
  assert.equal(layout({ ...view, n: 2000 }).cell, 1);
  assert.equal(layout({ ...view, n: 256, zoom: 4 }).cell, 8);
  assert.equal(layout({ ...view, n: 256 }).stride, 6);
  assert.equal(layout({ ...view, n: 15 }).stride, 1);
  assert.equal(layout({ ...view, n: 256, zoom: 1000 }).cell, 64);
});

test("a point finds its cell, and none beside the matrix", () => {
  const at = { cell: 10, left: 50, top: 60 };
  assert.deepEqual(cellAt(at, 4, 50, 60), { row: 0, column: 0 });
  assert.deepEqual(cellAt(at, 4, 89.9, 75), { row: 1, column: 3 });
  assert.equal(cellAt(at, 4, 90, 75), null);
  assert.equal(cellAt(at, 4, 49, 75), null);
  assert.equal(cellAt(at, 4, 55, 59), null);
});

test("keys move the cursor and stop at the borders", () => {
  const at = { row: 1, column: 2 };
  assert.deepEqual(moved(at, "ArrowUp", 4), { row: 0, column: 2 });
  assert.deepEqual(moved(at, "ArrowRight", 4), { row: 1, column: 3 });
  assert.deepEqual(moved({ row: 3, column: 3 }, "ArrowDown", 4), { row: 3, column: 3 });
  assert.deepEqual(moved(at, "PageUp", 40), { row: 0, column: 2 });
  assert.deepEqual(moved(at, "Home", 4), { row: 1, column: 0 });
  assert.deepEqual(moved(at, "End", 4, true), { row: 3, column: 3 });
  assert.equal(moved(at, "a", 4), null);
});

test("scrolling goes just as far as it must", () => {
  assert.equal(scrolledTo(100, 50, 110, 120), 100);
  assert.equal(scrolledTo(100, 50, 90, 100), 90);
  assert.equal(scrolledTo(100, 50, 150, 160), 110);
});

test("lines are the strongest, faintest first", () => {
  const shares = Float32Array.of(0.5, 0.01, 1, 0.25);
  assert.deepEqual(visibleLines(shares, 2).map(({ share }) => share), [0.25, 0.5, 1]);
  assert.deepEqual(visibleLines(shares, 2, { most: 1 }), [{ row: 1, column: 0, share: 1 }]);
  assert.deepEqual(visibleLines(shares, 2, { row: 0, least: 0 }).map(({ column }) => column), [1, 0]);
});

test("scales end at round numbers", () => {
  assert.deepEqual([0, 0.003, 1, 1.1, 2.4, 3, 7, 99, 1000].map(niceMaximum), [1, 0.005, 1, 2, 2.5, 5, 10, 100, 1000]);
});

test("a line lifts its pen where nothing is known", () => {
  const box = { from: 0, to: 100, most: 10, width: 50, height: 20 };
  const points = [{ at: -5, value: 3 }, { at: 0, value: 0 }, { at: 50, value: 10 }, { at: 60, value: null }, { at: 100, value: 20 }];
  assert.equal(linePath(points, box), "M0.0 20.0L25.0 0.0M50.0 0.0");
});

test("numbers, times and bytes are short", () => {
  assert.deepEqual([0, 7, 3.14159, 42.42, 512.3, 1234, 20500, 1.5e6].map(shortNumber), ["0", "7", "3.14", "42.4", "512", "1.2k", "21k", "1.5M"]);
  assert.equal(shortNumber(null), "–");
  assert.deepEqual([0.00025, 0.0031, 0.31, 2.5].map(shortSeconds), ["250 µs", "3.1 ms", "310 ms", "2.5 s"]);
  assert.deepEqual([4096, 1 << 20, 3 * 2 ** 30].map(shortBytes), ["4 KiB", "1 MiB", "3.0 GiB"]);
});
