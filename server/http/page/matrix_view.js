// One matrix, large: a canvas that draws what is in sight, with its labels, and a cursor for mouse and keyboard. The
// cells are no elements; what the cursor is on is told by `onCursor`, which says it in words.

import { cssColor, inkOn } from "./color.js";
import { debounced, h, perFrame, sized } from "./dom.js";
import { cellAt, layout, moved, pixels, scrolledTo } from "./raster.js";
import { MONO, paintAxes, themeColors } from "./paint.js";

export class MatrixView {
  // onCursor(cell or null, {spoken}): spoken is true when the keyboard moved it and a screen reader should hear of it.
  constructor({ label, onCursor, mostHeight = () => Math.min(window.innerHeight * 0.78, 720) }) {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.plane = h("div", { class: "matrix-plane" }, this.canvas);
    this.root = h("div", { class: "matrix", tabindex: 0, role: "application", "aria-label": label }, this.plane);
    Object.assign(this, { onCursor, mostHeight, data: null, cursor: null, hover: null, zoom: 1 });
    this.draw = perFrame(() => this.paint());
    this.speak = debounced(120, () => this.onCursor(this.cursor, { spoken: true }));
    this.root.addEventListener("scroll", this.draw, { passive: true });
    this.root.addEventListener("pointermove", (event) => this.point(event));
    this.root.addEventListener("pointerleave", () => this.leave());
    this.root.addEventListener("pointerdown", (event) => this.press(event));
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("focus", () => this.focused());
    this.root.addEventListener("blur", this.draw);
    new ResizeObserver(() => this.resize()).observe(this.root);
  }

  // data: {values, shares, n, labels, columnLabels, table, most, inside}: shares are 0..1, what is drawn, values what is
  // said; columnLabels only where they differ; most pixels a cell; inside: a value as it is written into a large cell.
  show(data) {
    const same = this.data?.n === data.n;
    this.data = data;
    if (!same) Object.assign(this, { cursor: null, hover: null, zoom: 1 });
    const image = new ImageData(pixels(data.shares, data.table), data.n, data.n);
    this.cells = new OffscreenCanvas(data.n, data.n);
    this.cells.getContext("2d").putImageData(image, 0, 0);
    this.resize();
  }

  zoomBy(factor) {
    this.zoom = factor === 0 ? 1 : Math.min(Math.max(this.zoom * factor, 1), 32);
    this.resize();
    if (this.cursor) this.reveal();
  }

  resize() {
    if (!this.data || this.root.clientWidth === 0) return;
    const { n, labels, columnLabels = labels, most } = this.data;
    const [width, height] = [this.root.clientWidth, this.mostHeight()];
    const room = (texts) => Math.min(Math.ceil(Math.max(...texts.map((text) => text.length)) * 7.3) + 14, 132, width * 0.34);
    this.layout = layout({ n, width, height, left: room(labels), top: room(columnLabels), zoom: this.zoom, most });
    this.plane.style.width = `${this.layout.width}px`;
    this.plane.style.height = `${this.layout.height}px`;
    this.root.style.height = `${Math.min(this.layout.height, height) + 1}px`;
    this.draw();
  }

  paint() {
    if (!this.layout || this.root.clientWidth === 0) return;
    const { root, layout: at, data } = this;
    const [width, height] = [root.clientWidth, root.clientHeight];
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const context = sized(this.canvas, width, height);
    const theme = themeColors();
    context.clearRect(0, 0, width, height);
    context.save();
    context.beginPath();
    context.rect(at.left, at.top, width - at.left, height - at.top);
    context.clip();
    context.translate(at.left - root.scrollLeft, at.top - root.scrollTop);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.cells, 0, 0, data.n * at.cell, data.n * at.cell);
    if (data.inside && at.cell >= 28) this.paintValues(context);
    const mark = this.hover ?? (document.activeElement === root ? this.cursor : null);
    if (mark) this.paintMark(context, mark, theme);
    context.restore();
    const { labels, columnLabels } = data;
    paintAxes(context, { at, labels, columnLabels, scroll: [root.scrollLeft, root.scrollTop], size: [width, height], mark, theme });
  }

  paintValues(context) {
    const { n, values, shares, table, inside } = this.data;
    const { cell } = this.layout;
    const texts = Array.from(values, inside);
    const letters = Math.max(...texts.map((text) => text.length));
    const font = Math.min((cell - 4) / (letters * 0.62), 13);
    if (font < 8) return;
    context.font = `${font}px ${MONO}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let i = 0; i < n * n; ++i) {
      context.fillStyle = inkOn(table, shares[i]);
      context.fillText(texts[i], ((i % n) + 0.5) * cell, (Math.floor(i / n) + 0.5) * cell);
    }
  }

  paintMark(context, { row, column }, theme) {
    const { cell } = this.layout;
    const size = this.data.n * cell;
    context.fillStyle = theme.veil;
    context.fillRect(0, row * cell, size, cell);
    context.fillRect(column * cell, 0, cell, size);
    context.fillStyle = cssColor(this.data.table, this.data.shares[row * this.data.n + column]);
    context.fillRect(column * cell, row * cell, cell, cell);
    context.lineWidth = 2;
    context.strokeStyle = theme.focus;
    context.strokeRect(column * cell - 1, row * cell - 1, cell + 2, cell + 2);
  }

  point(event) {
    if (!this.layout) return;
    const box = this.root.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left - this.root.clientLeft, event.clientY - box.top - this.root.clientTop];
    const inside = x >= this.layout.left && y >= this.layout.top;
    const cell = inside ? cellAt(this.layout, this.data.n, x + this.root.scrollLeft, y + this.root.scrollTop) : null;
    if (cell?.row === this.hover?.row && cell?.column === this.hover?.column) return;
    this.hover = cell;
    this.onCursor(cell ?? this.cursor, { spoken: false });
    this.draw();
  }

  leave() {
    this.hover = null;
    this.onCursor(this.cursor, { spoken: false });
    this.draw();
  }

  press(event) {
    this.point(event);
    if (this.hover) this.cursor = this.hover;
  }

  focused() {
    if (!this.data || this.data.n === 0) return;
    this.cursor ??= { row: 0, column: 0 };
    if (this.root.matches(":focus-visible")) this.speak();
    this.draw();
  }

  key(event) {
    if (!this.data || event.altKey || event.metaKey) return;
    const zoom = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 }[event.key];
    const next = moved(this.cursor ?? { row: 0, column: 0 }, event.key, this.data.n, event.ctrlKey);
    if (zoom !== undefined && !event.ctrlKey) this.zoomBy(zoom);
    else if (next) this.moveTo(next);
    else return;
    event.preventDefault();
  }

  moveTo(cell) {
    Object.assign(this, { cursor: cell, hover: null });
    this.reveal();
    this.onCursor(cell, { spoken: false });
    this.speak();
    this.draw();
  }

  reveal() {
    const { root, layout: at, cursor } = this;
    root.scrollLeft = scrolledTo(root.scrollLeft, root.clientWidth - at.left, cursor.column * at.cell, (cursor.column + 1) * at.cell);
    root.scrollTop = scrolledTo(root.scrollTop, root.clientHeight - at.top, cursor.row * at.cell, (cursor.row + 1) * at.cell);
  }
}
