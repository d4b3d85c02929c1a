// The map that was chosen, large: as a matrix, as lines, or as a table of words; with its value under the cursor and its
// ways out as a file.

import { cssColor } from "./color.js";
import { announce, byId, download, h, sized } from "./dom.js";
import { mapToCsv, mapToSvg } from "./exports.js";
import { LinesView } from "./lines_view.js";
import { MatrixView } from "./matrix_view.js";
import { picture, themeColors } from "./paint.js";
import { sharesOf } from "./raster.js";
import { maximum, strongest, tokenName, viewName } from "./tensor.js";

const TABLE_WORDS = 5;

export class Detail {
  constructor() {
    this.matrix = new MatrixView({
      label: "Attention map. Arrow keys move from value to value, plus and minus zoom.",
      onCursor: (cell, how) => this.tellCell(cell, how),
    });
    this.lines = new LinesView({
      label: "Attention lines. Arrow up and down choose a token, Escape shows all.",
      onToken: (row, how) => this.tellToken(row, how),
    });
    byId("as-map").append(this.matrix.root);
    byId("as-lines").append(this.lines.root);
    for (const input of document.getElementsByName("form")) input.addEventListener("change", () => this.switchForm());
    byId("zoom-in").addEventListener("click", () => this.matrix.zoomBy(1.5));
    byId("zoom-out").addEventListener("click", () => this.matrix.zoomBy(1 / 1.5));
    byId("zoom-fit").addEventListener("click", () => this.matrix.zoomBy(0));
    for (const kind of ["png", "svg", "csv", "bertviz"]) {
      byId(`export-${kind}`).addEventListener("click", () => this.export(kind));
    }
  }

  // options: {attention, counted, ownScale, table, model}.
  show(options, view) {
    Object.assign(this, options, { view });
    const { attention, counted, table } = options;
    this.values = attention.map(view);
    this.most = maximum(this.values, attention.n, counted);
    const shares = sharesOf(this.values, attention.n, counted, options.ownScale ? this.most : 1);
    const labels = attention.tokens.map(tokenName);
    this.data = { values: this.values, shares, n: attention.n, labels, table };
    const name = viewName(view);
    byId("detail-title").textContent = name[0].toUpperCase() + name.slice(1);
    this.legend(options.ownScale ? this.most : 1);
    this.matrix.show(this.data);
    Object.assign(this, { tableIsStale: true, linesAreStale: true });
    this.switchForm();
  }

  get form() {
    return document.querySelector('input[name="form"]:checked').value;
  }

  switchForm() {
    for (const form of ["map", "lines", "table"]) byId(`as-${form}`).hidden = form !== this.form;
    byId("zoom").hidden = this.form !== "map";
    if (!this.data) return;
    if (this.form === "table" && this.tableIsStale) this.fillTable();
    if (this.form === "lines" && this.linesAreStale) {
      this.lines.show(this.data);
      this.linesAreStale = false;
    }
    if (this.form === "map") this.tellCell(this.matrix.cursor, {});
    else if (this.form === "lines") this.tellToken(this.lines.cursor, {});
    else byId("readout").textContent = `The ${TABLE_WORDS} tokens that each reads most.`;
  }

  legend(most) {
    const canvas = byId("legend-colors");
    const context = sized(canvas, 128, 10);
    for (let x = 0; x < 128; ++x) {
      context.fillStyle = cssColor(this.table, x / 127);
      context.fillRect(x, 0, 1.5, 10);
    }
    byId("legend-most").textContent = most.toFixed(most < 0.1 ? 3 : 2);
  }

  fillTable() {
    const { attention, counted, values } = this;
    const rows = attention.tokens.map((token, row) => {
      const words = strongest(values, attention.n, row, TABLE_WORDS, counted);
      const cells = words.map(({ column, value }) =>
        h("td", {}, h("span", { class: "token" }, tokenName(attention.tokens[column])), " ", h("span", { class: "number" }, value.toFixed(3))),
      );
      while (cells.length < TABLE_WORDS) cells.push(h("td"));
      return h("tr", {}, h("th", { scope: "row" }, h("span", { class: "index" }, String(row)), " ", tokenName(token)), ...cells);
    });
    byId("strongest-rows").replaceChildren(...rows);
    this.tableIsStale = false;
  }

  tellCell(cell, { spoken }) {
    if (!this.data) return;
    const place = byId("readout");
    if (!cell) {
      place.textContent = `Greatest value ${this.most.toFixed(3)}. Point at a cell, or move with the arrow keys.`;
      return;
    }
    const { n, labels, values } = this.data;
    const value = values[cell.row * n + cell.column].toFixed(4);
    place.textContent = `${labels[cell.row]} → ${labels[cell.column]}  ${value}  (row ${cell.row}, column ${cell.column})`;
    if (spoken) announce(`${labels[cell.row]} reads ${labels[cell.column]}: ${value}. Row ${cell.row}, column ${cell.column}.`);
  }

  tellToken(row, { spoken }) {
    const place = byId("readout");
    if (row === null) {
      place.textContent = "Point at a token, or move with the arrow keys, to see its lines alone.";
      return;
    }
    const { n, labels, values } = this.data;
    const words = strongest(values, n, row, 3, this.counted);
    place.textContent = `${labels[row]} reads ${words.map(({ column, value }) => `${labels[column]} ${value.toFixed(3)}`).join(", ")}`;
    if (spoken) announce(`${place.textContent}. Row ${row}.`);
  }

  async export(kind) {
    const { data, view, model } = this;
    const title = `${model.name}, ${viewName(view)}`;
    const name = `attention-${viewName(view).replaceAll(/[^a-z0-9]+/g, "-")}`;
    if (kind === "png") {
      picture(data, title, themeColors()).toBlob((blob) => download(`${name}.png`, blob), "image/png");
    } else if (kind === "svg") {
      const text = mapToSvg(data.shares, data.labels, title, { ...themeColors(), table: data.table });
      download(`${name}.svg`, new Blob([text], { type: "image/svg+xml" }));
    } else if (kind === "csv") {
      download(`${name}.csv`, new Blob([mapToCsv(data.values, data.labels)], { type: "text/csv" }));
    } else {
      await this.exportAll();
    }
  }

  // Millions of numbers as text take seconds: not on the page's thread.
  exportAll() {
    const { values, layers, heads, tokens } = this.attention;
    const worker = new Worker(new URL("./export_worker.js", import.meta.url), { type: "module" });
    announce("Writing the file …");
    return new Promise((resolve, reject) => {
      worker.addEventListener("message", ({ data }) => {
        download("attention-bertviz.json", data);
        worker.terminate();
        resolve();
      });
      worker.addEventListener("error", reject);
      worker.postMessage({ values, layers, heads, tokens });
    });
  }
}
