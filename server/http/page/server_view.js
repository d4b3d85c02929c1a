// What the server is and what it does now, from its list of models and its metrics, every few seconds while this view can
// be seen.

import { linePath, niceMaximum, shortBytes, shortNumber, shortSeconds } from "./chart.js";
import { byId, h, svg } from "./dom.js";
import { loadBetween } from "./load.js";
import { parseMetrics } from "./prometheus.js";
import { session } from "./session.js";

const EVERY_MS = 2000;
const SPAN_MS = 5 * 60 * 1000;
const MODELS_EVERY = 5; // looks at the metrics for each at the list of models
const [WIDTH, HEIGHT] = [320, 72];

const CHARTS = [
  { id: "tokens", title: "Throughput", unit: "tokens/s", lines: ["tokens"], format: shortNumber },
  { id: "requests", title: "Requests", unit: "per second", lines: ["requests"], format: shortNumber },
  { id: "latency", title: "Latency", unit: "from arrival to answer", lines: ["p50", "p95", "p99"], format: shortSeconds },
  { id: "queue", title: "Queue", unit: "tokens waiting", lines: ["queueTokens"], format: shortNumber },
  { id: "busy", title: "Workers", unit: "share busy", lines: ["busy"], format: (v) => (v === null ? "–" : `${Math.round(v * 100)} %`), most: 1 },
];

export class ServerView {
  constructor() {
    Object.assign(this, { open: false, last: null, history: [], looks: 0 });
    byId("charts").append(...CHARTS.map((chart) => this.card(chart)));
    document.addEventListener("viewchange", ({ detail }) => this.setOpen(detail === "server"));
    document.addEventListener("visibilitychange", () => this.schedule());
    session.addEventListener("models", () => this.models());
    session.addEventListener("recovered", () => this.schedule());
    byId("server-key").addEventListener("click", async () => {
      if (await session.askKey("A key with the right to read metrics.")) this.schedule();
    });
  }

  setOpen(open) {
    this.open = open;
    this.schedule();
  }

  // Looks at once, then again and again; a tab that cannot be seen asks nothing.
  schedule() {
    clearTimeout(this.timer);
    if (!this.open || document.hidden) {
      this.last = null; // what happened meanwhile would be spread over the gap
      return;
    }
    this.timer = setTimeout(() => this.look(), 0);
  }

  async look() {
    const mine = this.timer;
    try {
      if (this.looks++ % MODELS_EVERY === 0) await session.refresh();
      const samples = parseMetrics(await session.call({ path: "metrics", read: "text" }));
      this.take({ at: Date.now(), samples });
      this.complain("");
    } catch (error) {
      this.last = null;
      this.complain(error.kind === "lost" ? "" : error.message, error.status === 401 || error.status === 403);
    }
    if (mine === this.timer && this.open && !document.hidden) this.timer = setTimeout(() => this.look(), EVERY_MS);
  }

  complain(text, keyHelps = false) {
    byId("server-error-text").textContent = text;
    byId("server-error").hidden = text === "";
    byId("server-key").hidden = !keyHelps;
  }

  take(now) {
    const load = loadBetween(this.last, now);
    const after = this.history.at(-1);
    if (!this.last && after) this.history.push({ ...after, at: after.at + 1, gap: true });
    this.last = now;
    this.history.push(load);
    while (this.history.length > 0 && this.history[0].at < now.at - SPAN_MS) this.history.shift();
    for (const chart of CHARTS) this.draw(chart, load);
    byId("server-since").textContent = load.started > 0 ? `Up since ${new Date(load.started * 1000).toLocaleString()}.` : "";
    byId("server-memory").textContent = load.memory > 0 ? `Memory ${shortBytes(load.memory)}.` : "";
    const refused = load.refused > 0 ? `Refusing ${shortNumber(load.refused)} calls a second.` : "Refusing nothing.";
    byId("server-refused").textContent = load.refused === null ? "" : refused;
    document.dispatchEvent(new CustomEvent("load", { detail: load }));
  }

  card({ id, title, unit, lines }) {
    const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", id: `chart-${id}`, "aria-label": title });
    for (const share of [0, 0.5, 1]) {
      const y = 0.5 + (HEIGHT - 1) * share;
      plot.append(svg("line", { x1: 0, x2: WIDTH, y1: y, y2: y, class: "chart-grid" }));
    }
    lines.forEach((line, i) => plot.append(svg("path", { class: `chart-line chart-line-${i}`, "data-line": line })));
    return h("section", { class: "card chart", "aria-labelledby": `chart-${id}-title` },
      h("h3", { id: `chart-${id}-title` }, title, " ", h("span", { class: "unit" }, unit)),
      h("p", { class: "chart-values" }, ...lines.map((line, i) => h("span", { class: `chart-value chart-value-${i}` },
          lines.length > 1 ? h("span", { class: "chart-name" }, `${line} `) : null, h("span", { id: `value-${line}` }, "–")))),
      plot,
      h("p", { class: "chart-scale" }, h("span", {}, "5 min ago"), h("span", { id: `chart-${id}-most` }), h("span", {}, "now")),
    );
  }

  draw({ id, title, lines, format, most }, load) {
    const known = this.history.flatMap((each) => lines.map((line) => (each.gap ? null : each[line])));
    const top = most ?? niceMaximum(Math.max(0, ...known.filter((value) => value !== null)));
    const plot = byId(`chart-${id}`);
    for (const line of lines) {
      const points = this.history.map((each) => ({ at: each.at, value: each.gap ? null : each[line] }));
      const path = linePath(points, { from: load.at - SPAN_MS, to: load.at, most: top, width: WIDTH, height: HEIGHT });
      plot.querySelector(`[data-line="${line}"]`).setAttribute("d", path);
      byId(`value-${line}`).textContent = format(load[line]);
    }
    byId(`chart-${id}-most`).textContent = `top ${format(top)}`;
    plot.setAttribute("aria-label", `${title}: ${lines.map((line) => `${line} ${format(load[line])}`).join(", ")}`);
  }

  models() {
    byId("models").replaceChildren(...session.models.map((model) => modelCard(model)));
  }
}

const whole = (number) => number.toLocaleString("en");
const LIMITS = [
  ["maxItemsPerRequest", "items in a request", whole],
  ["maxTextBytes", "text of an item", shortBytes],
  ["maxTokensPerItem", "tokens of an item", whole],
  ["maxMessageBytes", "a request or answer", shortBytes],
  ["maxAttentionBytes", "attention of a call", shortBytes],
  ["maxInFlightPerStream", "requests on a stream", whole],
];

function modelCard(model) {
  const facts = (pairs) => h("dl", {}, ...pairs.filter(([, value]) => value).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  const ready = model.state === "ready" || model.state === "draining";
  return h("article", { class: "card model" },
    h("h3", {}, model.name, model.isDefault ? h("span", { class: "badge" }, "default") : null, h("span", { class: `badge state-${model.state}` }, model.state)),
    model.stateReason ? h("p", { class: "error" }, model.stateReason) : null,
    ready ? facts([
      ["Fingerprint", h("code", {}, model.fingerprint)],
      ["Precision", model.precision],
      ["Kernels", model.kernels],
      ["Architecture", `${model.architecture}, ${model.layers} layers of ${model.heads} heads`],
      ["Vector", `${model.dimension} numbers, ${model.pooling.join(" + ")}${model.normalize ? ", normalised" : ""}`],
      ["Longest text", `${model.maxTokens} tokens`],
      ["Loaded", model.loadedMs > 0 ? new Date(model.loadedMs).toLocaleString() : ""],
    ]) : null,
    ready ? h("h4", {}, "Limits") : null,
    ready ? facts(LIMITS.map(([key, name, format]) => [name, model.limits[key] ? format(model.limits[key]) : ""])) : null,
  );
}
