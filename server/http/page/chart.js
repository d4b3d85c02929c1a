// Series over time as paths of a small chart. No DOM: texts and numbers in, an SVG path out.

// A round number at or above: 1, 2, 2.5 or 5 times a power of ten.
export function niceMaximum(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value * (1 - 1e-9));
}

// points: [{at, value or null}], at in milliseconds. A gap, where nothing is known, lifts the pen.
export function linePath(points, { from, to, most, width, height }) {
  let path = "";
  let down = false;
  for (const { at, value } of points) {
    if (value === null || at < from) {
      down = false;
      continue;
    }
    const x = ((at - from) / (to - from)) * width;
    const y = height - Math.min(value / most, 1) * height;
    path += `${down ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    down = true;
  }
  return path;
}

export function shortNumber(value) {
  if (value === null) return "–";
  if (value >= 9_999_500) return `${(value / 1e6).toFixed(0)}M`;
  if (value >= 999_500) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 9_950) return `${(value / 1e3).toFixed(0)}k`;
  if (value >= 1_000) return `${(value / 1e3).toFixed(1)}k`;
  if (value >= 100 || Number.isInteger(value)) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

export function shortSeconds(seconds) {
  if (seconds === null) return "–";
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 0.1) return `${(seconds * 1e3).toFixed(1)} ms`;
  return seconds < 1 ? `${(seconds * 1e3).toFixed(0)} ms` : `${seconds.toFixed(1)} s`;
}

export function shortBytes(bytes) {
  if (bytes >= 1 << 30) return `${(bytes / (1 << 30)).toFixed(1)} GiB`;
  return bytes >= 1 << 20 ? `${Math.round(bytes / (1 << 20))} MiB` : `${Math.round(bytes / 1024)} KiB`;
}
