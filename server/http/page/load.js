// What the server does, from two looks at its metrics. No DOM.

import { histogram, histogramIncrease, increase, quantile, total } from "./prometheus.js";

// Questions about the server are no load: this page asks them every few seconds. A door's name may stand before.
const ABOUT = new Set(["ListModels", "GetModel", "Metrics", "Info"]);
const counted = (labels) => !ABOUT.has((labels.method ?? "").split(".").pop());

function requests(samples) {
  return (samples.get("attendant_requests_total") ?? []).reduce((sum, { labels, value }) => sum + (counted(labels) ? value : 0), 0);
}

// before, after: {at (ms), samples}. before may be null: then only what is known at one time.
export function loadBetween(before, after) {
  const now = after.samples;
  const gauges = {
    queueTokens: total(now, "attendant_queue_tokens"),
    queueItems: total(now, "attendant_queue_items"),
    workers: total(now, "attendant_workers"),
    memory: total(now, "process_resident_memory_bytes"),
    started: total(now, "process_start_time_seconds"),
    shedding: total(now, "attendant_shedding_stage"),
  };
  const none = { tokens: null, requests: null, refused: null, busy: null, p50: null, p95: null, p99: null };
  if (!before || after.at <= before.at) return { at: after.at, ...gauges, ...none };
  const seconds = (after.at - before.at) / 1000;
  const then = before.samples;
  const rate = (name) => increase(total(then, name), total(now, name)) / seconds;
  const latency = histogramIncrease(
    histogram(then, "attendant_request_seconds", counted),
    histogram(now, "attendant_request_seconds", counted),
  );
  return {
    at: after.at,
    ...gauges,
    tokens: rate("attendant_tokens_total"),
    requests: increase(requests(then), requests(now)) / seconds,
    refused: rate("attendant_refused_calls_total"),
    busy: gauges.workers > 0 ? Math.min(rate("attendant_worker_busy_seconds_total") / gauges.workers, 1) : null,
    p50: quantile(latency, 0.5),
    p95: quantile(latency, 0.95),
    p99: quantile(latency, 0.99),
  };
}
