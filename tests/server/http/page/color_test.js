import assert from "node:assert/strict";
import { test } from "node:test";

import { STEPS, cssColor, diverging, hexColor, inkOn, sequential, stepOf } from "../../../../server/http/page/color.js";

// The way back, by the inverse of the published matrices, so that the table is judged by what a screen gets.
function oklab([r, g, b]) {
  const [R, G, B] = [r, g, b].map((byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4));
  const l = Math.cbrt(0.4122214708 * R + 0.5363325363 * G + 0.0514459929 * B);
  const m = Math.cbrt(0.2119034982 * R + 0.6806995451 * G + 0.1073969566 * B);
  const s = Math.cbrt(0.0883024619 * R + 0.2817188376 * G + 0.6299787005 * B);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
  ];
}

const labs = (table) => Array.from({ length: STEPS }, (_, i) => oklab(table.subarray(i * 3, i * 3 + 3)));
const distance = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);

for (const scheme of ["light", "dark"]) {
  test(`equal steps look equal, ${scheme}`, () => {
    const halves = [labs(diverging(scheme)).slice(0, 128), labs(diverging(scheme)).slice(128)];
    for (const path of [labs(sequential(scheme)), ...halves]) {
      // Over 15 steps, where the rounding to bytes no longer counts.
      const steps = [];
      for (let i = 15; i < path.length; i += 15) steps.push(distance(path[i - 15], path[i]));
      const mean = steps.reduce((a, b) => a + b) / steps.length;
      for (const step of steps) assert.ok(Math.abs(step / mean - 1) < 0.2, `${step} is far from ${mean}`);
    }
  });

  test(`lightness goes one way, ${scheme}`, () => {
    const lightness = labs(sequential(scheme)).map(([L]) => L);
    const sign = scheme === "dark" ? 1 : -1;
    for (let i = 8; i < STEPS; i += 8) assert.ok((lightness[i] - lightness[i - 8]) * sign > 0.005, `at ${i}`);
    assert.ok(Math.abs(lightness[255] - lightness[0]) > 0.7);
  });

  test(`both sides of zero are equally far from it, ${scheme}`, () => {
    const path = labs(diverging(scheme));
    const middle = path[127];
    assert.ok(Math.abs(distance(path[0], middle) / distance(path[255], middle) - 1) < 0.15);
    assert.ok(path[0][2] < -0.08 && path[255][2] > 0.05, "blue and orange, which nobody confuses");
  });

  test(`what is written on a colour can be read, ${scheme}`, () => {
    const luminance = (bytes) => {
      const [r, g, b] = bytes.map((byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const table = sequential(scheme);
    for (let step = 0; step < STEPS; ++step) {
      const paper = luminance([...table.subarray(step * 3, step * 3 + 3)]);
      const ink = inkOn(table, step / 255) === "#000000" ? 0 : 1;
      const contrast = (Math.max(paper, ink) + 0.05) / (Math.min(paper, ink) + 0.05);
      assert.ok(contrast >= 4.5, `${contrast} at ${step}`);
    }
  });
}

test("what is no share is clamped", () => {
  assert.equal(stepOf(NaN), 0);
  assert.equal(stepOf(-1), 0);
  assert.equal(stepOf(2), 255);
  assert.equal(stepOf(0.5), 128);
});

test("colours are written as CSS and SVG take them", () => {
  const table = Uint8Array.from({ length: STEPS * 3 }, (_, i) => (i < 3 ? [0, 10, 255][i] : 7));
  assert.equal(cssColor(table, 0), "rgb(0 10 255)");
  assert.equal(hexColor(table, 0), "#000aff");
});
