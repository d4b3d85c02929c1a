// Numbers as colours. Each map is a path through OKLab (Björn Ottosson, 2020) that is walked at constant speed: equal steps
// of the number are equal steps to the eye. Lightness only ever rises, or falls, along a half, so that a map reads in grey
// and for the colour-blind, too. Nothing and everything are told apart from the page: on dark paper numbers rise towards
// light, on light paper towards dark.

const SAMPLES = 1024; // of a path before it is cut into equal steps
export const STEPS = 256;

function linear(channel) {
  return channel <= 0.0031308 ? 12.92 * channel : 1.055 * channel ** (1 / 2.4) - 0.055;
}

// [L, a, b] to [red, green, blue], each 0..1 where the colour can be shown.
export function rgbOfOklab([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    linear(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    linear(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    linear(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function shown(rgb) {
  return rgb.every((channel) => channel >= -1e-4 && channel <= 1 + 1e-4);
}

// Lightness, chroma and hue (degrees) to OKLab; chroma is taken back until a screen can show the colour.
function lab(L, chroma, hue) {
  const angle = (hue * Math.PI) / 180;
  const at = (c) => [L, c * Math.cos(angle), c * Math.sin(angle)];
  if (shown(rgbOfOklab(at(chroma)))) return at(chroma);
  let [low, high] = [0, chroma]; // halved, not stepped: steps would make the path a staircase, and longer
  for (let i = 0; i < 24; ++i) {
    const middle = (low + high) / 2;
    if (shown(rgbOfOklab(at(middle)))) low = middle;
    else high = middle;
  }
  return at(low);
}

function distance(p, q) {
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
}

// STEPS colours at equal distances along the path from at(0) to at(1).
function evenly(at) {
  const path = Array.from({ length: SAMPLES }, (_, i) => at(i / (SAMPLES - 1)));
  const lengths = [0];
  for (let i = 1; i < SAMPLES; ++i) lengths.push(lengths[i - 1] + distance(path[i - 1], path[i]));
  const bytes = new Uint8Array(STEPS * 3);
  for (let step = 0, i = 0; step < STEPS; ++step) {
    const wanted = (lengths[SAMPLES - 1] * step) / (STEPS - 1);
    while (i < SAMPLES - 2 && lengths[i + 1] < wanted) ++i;
    const share = Math.min(Math.max((wanted - lengths[i]) / (lengths[i + 1] - lengths[i] || 1), 0), 1);
    const rgb = rgbOfOklab(path[i].map((value, k) => value + share * (path[i + 1][k] - value)));
    rgb.forEach((channel, k) => (bytes[step * 3 + k] = Math.round(Math.min(Math.max(channel, 0), 1) * 255)));
  }
  return bytes;
}

// From near-black indigo through violet and orange to pale yellow.
const RISING = (t) => lab(0.17 + 0.79 * t, 0.045 + 0.62 * t * (1 - t) * (1 - 0.18 * t), 278 + 184 * t);
// From paper through yellow and rose to dark indigo.
const FALLING = (t) => lab(0.975 - 0.755 * t, 0.008 + 0.6 * t * (1 - t) + 0.06 * t, 84 - 165 * t);
// Blue below zero, orange above; the middle is the page's own grey.
function opposed(middle, far) {
  return (t) => {
    const strength = Math.abs(2 * t - 1);
    return lab(middle + (far - middle) * strength, 0.17 * strength, t < 0.5 ? 255 : 55);
  };
}

const cache = new Map();

function once(name, make) {
  if (!cache.has(name)) cache.set(name, make());
  return cache.get(name);
}

// scheme: "light" or "dark". STEPS x 3 bytes, for 0..1 or, of a difference, for -1..1.
export function sequential(scheme) {
  return once(`sequential-${scheme}`, () => evenly(scheme === "dark" ? RISING : FALLING));
}

export function diverging(scheme) {
  return once(`diverging-${scheme}`, () => evenly(scheme === "dark" ? opposed(0.24, 0.8) : opposed(0.975, 0.5)));
}

// What is no number, or below 0, counts as 0.
export function stepOf(share) {
  return share > 0 ? Math.min(Math.round(share * (STEPS - 1)), STEPS - 1) : 0;
}

export function cssColor(table, share) {
  const at = stepOf(share) * 3;
  return `rgb(${table[at]} ${table[at + 1]} ${table[at + 2]})`;
}

export function hexColor(table, share) {
  const at = stepOf(share) * 3;
  return "#" + Array.from(table.subarray(at, at + 3), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Black or white, whichever is easier to read on that colour (relative luminance as WCAG has it).
export function inkOn(table, share) {
  const at = stepOf(share) * 3;
  const [r, g, b] = Array.from(table.subarray(at, at + 3), (byte) => {
    const channel = byte / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}
