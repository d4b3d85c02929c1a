// All maps of a model, small: a row for each layer, a column for each head, then the mean of the heads and the rollout.
// A grid of buttons with one place in the tab order; arrow keys move within it.

import { h } from "./dom.js";
import { maximum, viewName } from "./tensor.js";
import { pixels, sharesOf, shrink } from "./raster.js";

const PIXELS = 96; // of a small map, at most
const BUDGET_MS = 6; // of a frame, so that typing and scrolling stay smooth while the maps appear

export class Overview {
  constructor({ root, onChoose }) {
    Object.assign(this, { root, onChoose, cells: [], columns: 0, chosen: 0, generation: 0 });
    root.addEventListener("keydown", (event) => this.key(event));
  }

  // Makes the buttons anew when the model has another number of layers or heads; forgets the pictures otherwise.
  prepare(layers, heads) {
    if (this.layers === layers && this.heads === heads) return;
    Object.assign(this, { layers, heads, columns: heads + 2, chosen: 0 });
    this.root.replaceChildren();
    this.root.style.setProperty("--heads", heads);
    const head = h("div", { role: "row", class: "overview-row overview-head" }, h("span", { role: "columnheader", class: "word" }, "layer"));
    for (let i = 0; i < heads; ++i) head.append(h("span", { role: "columnheader" }, String(i)));
    head.append(h("span", { role: "columnheader", class: "apart word" }, "mean"), h("span", { role: "columnheader", class: "word" }, "rollout"));
    this.root.append(head);
    this.cells = [];
    for (let layer = 0; layer < layers; ++layer) this.root.append(this.row(layer));
    this.mark(0);
  }

  row(layer) {
    const row = h("div", { role: "row", class: "overview-row" }, h("span", { role: "rowheader" }, String(layer)));
    for (let column = 0; column < this.columns; ++column) {
      const view = viewOf(layer, column, this.heads);
      const index = this.cells.length;
      const canvas = h("canvas", { "aria-hidden": "true", width: 1, height: 1 });
      const button = h("button", { type: "button", tabindex: -1, onclick: () => this.choose(index) }, canvas);
      this.cells.push({ view, canvas, button });
      row.append(h("div", { role: "gridcell", class: column === this.heads ? "apart" : null }, button));
    }
    return row;
  }

  // options: {attention, counted, table, ownScale}. Drawn a few at a time; a later call ends an earlier one.
  show({ attention, counted, table, ownScale }) {
    const generation = ++this.generation;
    const { n } = attention;
    this.root.setAttribute("aria-busy", "true");
    let next = 0;
    const some = () => {
      if (generation !== this.generation) return;
      const until = performance.now() + BUDGET_MS;
      while (next < this.cells.length && performance.now() < until) {
        const cell = this.cells[next++];
        const map = attention.map(cell.view);
        const most = maximum(map, n, counted);
        drawSmall(cell.canvas, sharesOf(map, n, counted, ownScale ? most : 1), n, table);
        cell.button.setAttribute("aria-label", `${viewName(cell.view)}, greatest ${most.toFixed(3)}`);
      }
      if (next < this.cells.length) requestAnimationFrame(some);
      else this.root.removeAttribute("aria-busy");
    };
    requestAnimationFrame(some);
  }

  get view() {
    return this.cells[this.chosen]?.view;
  }

  choose(index) {
    this.mark(index);
    this.onChoose(this.view);
  }

  mark(index) {
    const before = this.cells[this.chosen].button;
    before.tabIndex = -1;
    before.removeAttribute("aria-current");
    this.chosen = index;
    const { button } = this.cells[index];
    button.tabIndex = 0;
    button.setAttribute("aria-current", "true");
  }

  key(event) {
    const at = this.cells.findIndex(({ button }) => button === document.activeElement);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = Math.floor(at / this.columns);
    const next = {
      ArrowLeft: at % this.columns > 0 ? at - 1 : at,
      ArrowRight: at % this.columns < this.columns - 1 ? at + 1 : at,
      ArrowUp: row > 0 ? at - this.columns : at,
      ArrowDown: row < this.layers - 1 ? at + this.columns : at,
      Home: row * this.columns,
      End: (row + 1) * this.columns - 1,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.cells[at].button.tabIndex = -1;
    this.cells[next].button.tabIndex = 0;
    this.cells[next].button.focus();
  }
}

function viewOf(layer, column, heads) {
  if (column < heads) return { kind: "head", layer, head: column };
  return { kind: column === heads ? "mean" : "rollout", layer };
}

function drawSmall(canvas, shares, n, table) {
  const small = shrink(shares, n, PIXELS);
  if (canvas.width !== small.size) Object.assign(canvas, { width: small.size, height: small.size });
  canvas.getContext("2d").putImageData(new ImageData(pixels(small.shares, table), small.size, small.size), 0, 0);
}
