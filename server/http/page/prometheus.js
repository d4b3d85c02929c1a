// The Prometheus text format (version 0.0.4), read into families, and what rates and percentiles are made of.

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const ESCAPES = { n: "\n", "\\": "\\", '"': '"' };

// "{a="b",c="d"} rest" to [{a: "b", c: "d"}, " rest"].
function parseLabels(text) {
  const labels = {};
  let at = 1;
  for (;;) {
    while (text[at] === " " || text[at] === "\t" || text[at] === ",") ++at;
    if (text[at] === "}") return [labels, text.slice(at + 1)];
    const name = LABEL.exec(text.slice(at))?.[0];
    if (!name) throw new SyntaxError(`a label is expected at "${text.slice(at)}"`);
    at += name.length;
    const equals = /^[ \t]*=[ \t]*"/.exec(text.slice(at))?.[0];
    if (!equals) throw new SyntaxError(`="..." is expected at "${text.slice(at)}"`);
    at += equals.length;
    let value = "";
    for (; text[at] !== '"'; ++at) {
      if (at >= text.length) throw new SyntaxError(`a label's value does not end: ${text}`);
      if (text[at] === "\\") value += ESCAPES[text[++at]] ?? `\\${text[at]}`;
      else value += text[at];
    }
    labels[name] = value;
    ++at;
  }
}

export function parseNumber(text) {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  const number = text === "" ? NaN : Number(text);
  if (Number.isNaN(number)) throw new SyntaxError(`"${text}" is not a number`);
  return number;
}

function parseSample(line) {
  const name = NAME.exec(line)?.[0];
  if (!name) throw new SyntaxError(`no sample: ${line}`);
  let rest = line.slice(name.length).trimStart();
  let labels = {};
  if (rest.startsWith("{")) [labels, rest] = parseLabels(rest);
  const [value] = rest.trim().split(/[ \t]+/); // a timestamp may follow
  return { name, labels, value: parseNumber(value) };
}

// Map of sample name to [{labels, value}]; a histogram's are under NAME_bucket, NAME_sum and NAME_count.
export function parseMetrics(text) {
  const samples = new Map();
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const { name, labels, value } = parseSample(line);
    if (!samples.has(name)) samples.set(name, []);
    samples.get(name).push({ labels, value });
  }
  return samples;
}

function matches(labels, wanted) {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

// The sum over all series with these labels; 0 where there is none.
export function total(samples, name, labels = {}) {
  const found = samples.get(name) ?? [];
  return found.reduce((sum, sample) => (matches(sample.labels, labels) ? sum + sample.value : sum), 0);
}

// {bounds: [..., Infinity], counts: how many at most that}, summed over all series that `accept` takes.
export function histogram(samples, name, accept = () => true) {
  const counts = new Map();
  for (const { labels, value } of samples.get(`${name}_bucket`) ?? []) {
    if (!accept(labels)) continue;
    const bound = parseNumber(labels.le ?? "");
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  const bounds = [...counts.keys()].sort((a, b) => a - b);
  return { bounds, counts: bounds.map((bound) => counts.get(bound)) };
}

// What has been added since: a counter that shrank began anew, and all of it is new.
export function increase(before, after) {
  return after >= before ? after - before : after;
}

export function histogramIncrease(before, after) {
  const known = new Map(before.bounds.map((bound, i) => [bound, before.counts[i]]));
  const restarted = after.bounds.some((bound, i) => after.counts[i] < (known.get(bound) ?? 0));
  const counts = after.counts.map((count, i) => (restarted ? count : count - (known.get(after.bounds[i]) ?? 0)));
  return { bounds: after.bounds, counts };
}

// As Prometheus' histogram_quantile: linear within its bucket, the greatest finite bound for what is beyond it. null
// where nothing was counted.
export function quantile({ bounds, counts }, share) {
  const all = counts[counts.length - 1];
  if (!all || bounds[bounds.length - 1] !== Infinity) return null;
  const rank = share * all;
  const at = counts.findIndex((count) => count >= rank);
  if (at === bounds.length - 1) return at > 0 ? bounds[at - 1] : null;
  const low = at > 0 ? bounds[at - 1] : Math.min(bounds[0], 0);
  const below = at > 0 ? counts[at - 1] : 0;
  const inside = counts[at] - below;
  return inside > 0 ? low + (bounds[at] - low) * ((rank - below) / inside) : bounds[at];
}
