import assert from "node:assert/strict";
import { test } from "node:test";

import { loadBetween } from "../../../../server/http/page/load.js";
import {
  histogram, histogramIncrease, increase, parseMetrics, parseNumber, quantile, total,
} from "../../../../server/http/page/prometheus.js";

test("names, labels, values and timestamps are read", () => {
  const samples = parseMetrics(
    '# HELP a What.\n# TYPE a counter\na{x="1",y="two"} 3\na{x="2"} 4 1700000000000\n\n  b:c_d 1.5e3\ne{} 7\nf{ z = "q" , } 8\r\n',
  );
  assert.deepEqual(samples.get("a"), [{ labels: { x: "1", y: "two" }, value: 3 }, { labels: { x: "2" }, value: 4 }]);
  assert.deepEqual(samples.get("b:c_d"), [{ labels: {}, value: 1500 }]);
  assert.equal(total(samples, "e"), 7);
  assert.equal(total(samples, "f", { z: "q" }), 8);
  assert.equal(total(samples, "a"), 7);
  assert.equal(total(samples, "a", { x: "2" }), 4);
  assert.equal(total(samples, "none"), 0);
});

test("escapes, braces, commas and hashes inside a label's value are part of it", () => {
  const [sample] = parseMetrics('m{path="C:\\\\dir",q="say \\"hi\\"",n="a\\nb",odd="}{,#=é"} 1').get("m");
  assert.deepEqual(sample.labels, { path: "C:\\dir", q: 'say "hi"', n: "a\nb", odd: "}{,#=é" });
});

test("numbers that are none are read as Go writes them", () => {
  assert.equal(parseNumber("+Inf"), Infinity);
  assert.equal(parseNumber("-Inf"), -Infinity);
  assert.ok(Number.isNaN(parseNumber("NaN")));
  assert.equal(parseNumber("1e-05"), 1e-5);
});

test("what is not the format is an error, not a wrong number", () => {
  for (const text of ["a{x=1} 2", 'a{x="1} 2', "a", "a b", "1a 2", 'a{x="1" 2', "<html>"]) {
    assert.throws(() => parseMetrics(text), SyntaxError, text);
  }
});

const HISTOGRAM = parseMetrics(
  's_bucket{m="x",le="0.1"} 2\ns_bucket{m="x",le="1"} 6\ns_bucket{m="x",le="+Inf"} 8\ns_sum{m="x"} 9\ns_count{m="x"} 8\n' +
    's_bucket{m="y",le="0.1"} 1\ns_bucket{m="y",le="1"} 1\ns_bucket{m="y",le="+Inf"} 1\n',
);

test("histograms are summed over the series asked for", () => {
  assert.deepEqual(histogram(HISTOGRAM, "s"), { bounds: [0.1, 1, Infinity], counts: [3, 7, 9] });
  assert.deepEqual(histogram(HISTOGRAM, "s", ({ m }) => m === "x").counts, [2, 6, 8]);
  assert.deepEqual(histogram(HISTOGRAM, "none"), { bounds: [], counts: [] });
});

test("quantiles are linear within their bucket, as histogram_quantile's", () => {
  const x = histogram(HISTOGRAM, "s", ({ m }) => m === "x");
  assert.equal(quantile(x, 0.25), 0.1); // rank 2 is the end of the first bucket
  assert.ok(Math.abs(quantile(x, 0.5) - 0.55) < 1e-12); // rank 4: half of the way from 0.1 to 1
  assert.equal(quantile(x, 0.125), 0.05);
  assert.equal(quantile(x, 0.99), 1); // beyond the last finite bound
  assert.equal(quantile({ bounds: [1, Infinity], counts: [0, 0] }, 0.5), null);
  assert.equal(quantile({ bounds: [], counts: [] }, 0.5), null);
});

test("differences of histograms begin anew with the server", () => {
  const before = { bounds: [1, Infinity], counts: [5, 9] };
  assert.deepEqual(histogramIncrease(before, { bounds: [1, Infinity], counts: [7, 12] }).counts, [2, 3]);
  assert.deepEqual(histogramIncrease(before, { bounds: [1, Infinity], counts: [1, 2] }).counts, [1, 2]);
  assert.deepEqual(histogramIncrease({ bounds: [], counts: [] }, before).counts, [5, 9]);
  assert.equal(increase(5, 8), 3);
  assert.equal(increase(8, 5), 5);
});

const metrics = (tokens, calls, questions, busy) =>
  parseMetrics(`attendant_tokens_total ${tokens}
attendant_requests_total{method="Embed",code="OK"} ${calls}
attendant_requests_total{method="http.ListModels",code="OK"} ${questions}
attendant_request_seconds_bucket{method="Embed",le="0.01"} ${calls}
attendant_request_seconds_bucket{method="Embed",le="+Inf"} ${calls}
attendant_request_seconds_bucket{method="http.Metrics",le="0.01"} 0
attendant_request_seconds_bucket{method="http.Metrics",le="+Inf"} ${questions}
attendant_worker_busy_seconds_total ${busy}
attendant_workers 2
attendant_queue_tokens{class="interactive"} 30
attendant_queue_tokens{class="bulk"} 12`);

test("load is what was added between two looks, without the page's own questions", () => {
  const load = loadBetween({ at: 1000, samples: metrics(100, 10, 5, 1) }, { at: 3000, samples: metrics(500, 30, 50, 3) });
  assert.equal(load.tokens, 200);
  assert.equal(load.requests, 10);
  assert.equal(load.queueTokens, 42);
  assert.equal(load.busy, 0.5);
  assert.equal(load.p50, 0.005);
  assert.ok(load.p99 <= 0.01);
});

test("of one look only what is now is known", () => {
  const load = loadBetween(null, { at: 3000, samples: metrics(500, 30, 50, 3) });
  assert.equal(load.queueTokens, 42);
  assert.equal(load.tokens, null);
  assert.equal(load.p50, null);
});

test("a server that began anew has no negative load", () => {
  const load = loadBetween({ at: 0, samples: metrics(900, 90, 5, 50) }, { at: 1000, samples: metrics(40, 4, 1, 0.5) });
  assert.equal(load.tokens, 40);
  assert.equal(load.requests, 4);
  assert.equal(load.busy, 0.25);
});
