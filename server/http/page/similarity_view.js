// Lines of text against each other, by one model or by two side by side.

import { floatsOfBase64 } from "./base64.js";
import { diverging, sequential } from "./color.js";
import { announce, byId, debounced, h, showError } from "./dom.js";
import { MatrixView } from "./matrix_view.js";
import { scheme, shortened } from "./paint.js";
import { lineOfField } from "./plan.js";
import { scatter } from "./scatter.js";
import { fillModels, modelNamed, session } from "./session.js";
import { closest, compareMatrices, cosineMatrix, difference, dot, principalMap } from "./vectors.js";

const TYPING_MS = 500;
const MOST_LINES = 200;

export class SimilarityView {
  constructor() {
    Object.assign(this, { results: null, failed: false, running: null });
    this.panels = ["first", "second", "difference"].map((name) => this.panel(name));
    const typed = debounced(TYPING_MS, () => this.ask());
    byId("lines").addEventListener("input", typed);
    for (const id of ["model-a", "model-b"]) byId(id).addEventListener("change", () => this.ask());
    byId("similarity-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    session.addEventListener("models", () => {
      fillModels(byId("model-a"));
      fillModels(byId("model-b"), { none: "none" });
      if (!byId("similarity").hidden && !this.results && session.usable().length > 0) this.ask();
    });
    session.addEventListener("recovered", () => this.failed && this.ask());
    document.addEventListener("themechange", () => this.render());
    document.addEventListener("viewchange", ({ detail }) => {
      if (detail === "similarity" && !this.results && session.usable().length > 0) this.ask();
    });
  }

  panel(name) {
    const readout = h("p", { class: "readout", id: `readout-${name}` });
    const title = h("h3", {});
    const view = new MatrixView({
      label: "Similarity matrix. Arrow keys move from value to value.",
      mostHeight: () => Math.min(window.innerHeight * 0.6, 480),
      onCursor: (cell, { spoken }) => this.tell(panel, cell, spoken),
    });
    const root = h("section", { class: "card panel", hidden: true }, title, view.root, readout);
    byId("matrices").append(root);
    const panel = { root, title, view, readout };
    return panel;
  }

  tell({ readout, view }, cell, spoken) {
    if (!cell) {
      readout.textContent = "Point at a cell, or move with the arrow keys.";
      return;
    }
    const { values, n } = view.data;
    const text = `${values[cell.row * n + cell.column].toFixed(4)}  ${this.lines[cell.row]} · ${this.lines[cell.column]}`;
    readout.textContent = text;
    if (spoken) announce(text);
  }

  read() {
    // Where each line stands in the field is kept: the server's errors count the lines that were sent.
    return byId("lines").value.split("\n").map((text, at) => ({ text: text.trim(), at })).filter(({ text }) => text !== "");
  }

  async ask() {
    const sent = this.read();
    this.complain("");
    if (!modelNamed(byId("model-a").value)) return this.complain("No model answers yet.");
    if (sent.length < 2) return this.complain("Two lines or more can be compared.");
    if (sent.length > MOST_LINES) return this.complain(`${sent.length} lines are more than the ${MOST_LINES} that this page shows.`);
    this.running?.abort();
    const { signal } = (this.running = new AbortController());
    this.failed = false;
    byId("similarity-status").textContent = "Asking the model …";
    try {
      const names = [byId("model-a").value, byId("model-b").value].filter((name) => name !== "");
      const results = [];
      for (const name of names) results.push({ name, vectors: await embed(modelNamed(name), sent.map(({ text }) => text), signal) });
      Object.assign(this, { results, lines: sent.map(({ text }) => text) });
      this.render();
    } catch (error) {
      this.refused(error, sent);
    }
  }

  refused(error, sent) {
    if (error.kind === "cancelled") return;
    this.failed = error.kind !== "refused";
    byId("similarity-status").textContent = error.kind === "lost" ? "Not answered yet." : "";
    if (error.kind === "lost") return;
    const index = lineOfField(error.field);
    const place = index !== null && sent[index] ? `Line ${sent[index].at + 1}: ` : "";
    if (/model/.test(error.field)) showError(byId("model-a"), byId("model-a-error"), error.message);
    else this.complain(place + error.message);
  }

  complain(text) {
    showError(byId("lines"), byId("lines-error"), text);
    showError(byId("model-a"), byId("model-a-error"), "");
    if (text) byId("similarity-status").textContent = "";
    if (text) announce(text);
  }

  render() {
    if (!this.results) return;
    const n = this.lines.length;
    const matrices = this.results.map(({ vectors }) => cosineMatrix(vectors));
    const names = this.results.map(({ name }) => `${name} (${modelNamed(name)?.precision ?? ""})`);
    this.panels.forEach(({ root }) => (root.hidden = true));
    matrices.forEach((values, i) => 
      this.fill(this.panels[i], names[i], { values, table: sequential(scheme()), share: (v) => v, inside: (v) => decimals(v, 2) }),
    );
    byId("similarity-note").textContent = "";
    if (matrices.length === 2) {
      const off = difference(...matrices);
      const most = Math.max(1e-6, off.reduce((a, b) => Math.max(a, Math.abs(b)), 0));
      this.fill(this.panels[2], "Difference, second − first", {
        values: off,
        table: diverging(scheme()),
        share: (v) => (v / most + 1) / 2,
        inside: (v) => decimals(v, 3).replace("0.", "."),
      });
      byId("similarity-note").textContent = this.compared(matrices, n);
    }
    byId("similarity-results").hidden = false;
    byId("maps").replaceChildren(...this.results.map(({ vectors }, i) => scatter(principalMap(vectors), this.lines, names[i])));
    this.fillTable(matrices[0], n);
    byId("similarity-status").textContent = `${n} lines, ${n * (n - 1) / 2} pairs.`;
    announce(byId("similarity-status").textContent);
    document.dispatchEvent(new CustomEvent("similarity", { detail: { matrices } }));
  }

  fill({ root, title, view, readout }, name, { values, table, share, inside }) {
    const n = this.lines.length;
    root.hidden = false;
    title.textContent = name;
    readout.textContent = "Point at a cell, or move with the arrow keys.";
    const labels = this.lines.map((text, i) => `${i + 1} ${shortened(text, 14)}`);
    const columnLabels = this.lines.map((_, i) => String(i + 1));
    view.show({ values, shares: Float32Array.from(values, share), n, labels, columnLabels, table, most: 56, inside });
  }

  compared(matrices, n) {
    const { largest, mean, same } = compareMatrices(...matrices, n);
    const [a, b] = this.results.map(({ vectors }) => vectors);
    const comparable = a[0].length === b[0].length;
    const own = comparable ? ` The same line's two vectors have a cosine of ${lowest(a, b).toFixed(4)} or more.` : "";
    return `The similarities differ by ${mean.toFixed(4)} on average, by ${Math.abs(largest.value).toFixed(4)} at most (lines ${largest.column + 1} and ${largest.row + 1}). ${same} of ${n} lines keep their closest line.${own}`;
  }

  fillTable(matrix, n) {
    const rows = this.lines.map((line, i) =>
      h("tr", {}, h("th", { scope: "row" }, h("span", { class: "index" }, String(i + 1)), " ", line),
        ...[0, 1, 2].map((k) => {
          const near = closest(matrix, n, i, 3)[k];
          return h("td", {}, near ? [h("span", { class: "number" }, near.value.toFixed(4)), " ", this.lines[near.index]] : "");
        })),
    );
    byId("closest-rows").replaceChildren(...rows);
  }
}

// With no minus before nothing.
function decimals(value, digits) {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

function lowest(a, b) {
  return Math.min(...a.map((vector, i) => dot(vector, b[i]) / Math.sqrt(dot(vector, vector) * dot(b[i], b[i]))));
}

// In calls no larger than the model's limit.
async function embed(model, texts, signal) {
  const most = model.limits.maxItemsPerRequest || texts.length;
  const vectors = [];
  for (let from = 0; from < texts.length; from += most) {
    const body = { model: model.name, input: texts.slice(from, from + most), encoding_format: "base64" };
    const answer = await session.call({ path: "v1/embeddings", body, signal }).catch((error) => {
      const line = lineOfField(error.field ?? "");
      if (line !== null) error.field = `input[${from + line}]`;
      throw error;
    });
    vectors.push(...answer.data.sort((x, y) => x.index - y.index).map(({ embedding }) => floatsOfBase64(embedding)));
  }
  return vectors;
}
