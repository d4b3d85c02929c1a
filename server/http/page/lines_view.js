// One map as lines between two columns of tokens: left those that read, right those that are read; the stronger, the
// more opaque. A token under the mouse or the keyboard's cursor shows its own lines alone.

import { debounced, h, perFrame, sized } from "./dom.js";
import { MONO, shortened, themeColors } from "./paint.js";
import { scrolledTo, visibleLines } from "./raster.js";

const ROW = 24;
const TOP = 28;

export class LinesView {
  constructor({ label, onToken }) {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.plane = h("div", { class: "matrix-plane" }, this.canvas);
    this.root = h("div", { class: "matrix lines", tabindex: 0, role: "application", "aria-label": label }, this.plane);
    Object.assign(this, { onToken, data: null, cursor: null, hover: null });
    this.draw = perFrame(() => this.paint());
    this.speak = debounced(120, () => this.onToken(this.cursor, { spoken: true }));
    this.root.addEventListener("scroll", this.draw, { passive: true });
    this.root.addEventListener("pointermove", (event) => this.point(event));
    this.root.addEventListener("pointerleave", () => this.setHover(null));
    this.root.addEventListener("pointerdown", (event) => {
      this.point(event);
      this.cursor = this.hover;
    });
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("focus", () => this.focused());
    this.root.addEventListener("blur", this.draw);
    new ResizeObserver(() => this.resize()).observe(this.root);
  }

  // data: {shares, n, labels}.
  show(data) {
    if (this.data?.n !== data.n) Object.assign(this, { cursor: null, hover: null });
    this.data = data;
    this.all = visibleLines(data.shares, data.n);
    this.resize();
  }

  resize() {
    if (!this.data || this.root.clientWidth === 0) return;
    const height = TOP + this.data.n * ROW + 8;
    this.plane.style.width = "100%";
    this.plane.style.height = `${height}px`;
    this.root.style.height = `${Math.min(height, window.innerHeight * 0.78, 720)}px`;
    this.draw();
  }

  paint() {
    const { root, data } = this;
    if (!data || root.clientWidth === 0) return;
    const [width, height] = [root.clientWidth, root.clientHeight];
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const context = sized(this.canvas, width, height);
    const theme = themeColors();
    const row = this.hover ?? this.cursor;
    context.clearRect(0, 0, width, height);
    const column = Math.min(Math.max(...data.labels.map((text) => text.length)) * 7.3 + 20, width * 0.36, 150);
    const y = (i) => TOP + (i + 0.5) * ROW - root.scrollTop;
    this.paintLines(context, { theme, row, from: column, to: width - column, y, height });
    this.paintTokens(context, { theme, row, column, width, y, height });
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, width, TOP - 4);
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = theme.muted;
    context.textAlign = "right";
    context.fillText("reads", column - 10, 14);
    context.textAlign = "left";
    context.fillText("is read", width - column + 10, 14);
  }

  paintLines(context, { theme, row, from, to, y, height }) {
    const { shares, n } = this.data;
    const lines = row === null ? this.all : visibleLines(shares, n, { least: 0.002, row });
    context.strokeStyle = theme.accent;
    for (const line of lines) {
      const [begin, end] = [y(line.row), y(line.column)];
      if (Math.max(begin, end) < 0 || Math.min(begin, end) > height) continue;
      context.globalAlpha = Math.min(line.share, 1) ** 1.2;
      context.lineWidth = 0.75 + 2 * line.share;
      context.beginPath();
      context.moveTo(from, begin);
      context.bezierCurveTo(from + (to - from) * 0.4, begin, to - (to - from) * 0.4, end, to, end);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  paintTokens(context, { theme, row, column, width, y, height }) {
    const { shares, n, labels } = this.data;
    context.textBaseline = "middle";
    const letters = Math.floor((column - 14) / 7.3);
    for (let i = 0; i < n; ++i) {
      if (y(i) < -ROW || y(i) > height + ROW) continue;
      const share = row === null ? 0 : shares[row * n + i];
      if (share > 0) {
        context.globalAlpha = 0.12 + 0.6 * Math.min(share, 1);
        context.fillStyle = theme.accent;
        context.fillRect(width - column + 2, y(i) - ROW / 2 + 2, 4, ROW - 4);
        context.globalAlpha = 1;
      }
      const text = shortened(labels[i], letters);
      context.font = `${i === row ? "600 " : ""}12px ${MONO}`;
      context.fillStyle = row === null || i === row ? theme.ink : theme.muted;
      context.textAlign = "right";
      context.fillText(text, column - 10, y(i));
      context.font = `${share > 0.5 ? "600 " : ""}12px ${MONO}`;
      context.fillStyle = row === null || share > 0.2 ? theme.ink : theme.muted;
      context.textAlign = "left";
      context.fillText(text, width - column + 10, y(i));
    }
  }

  point(event) {
    if (!this.data) return;
    const y = event.clientY - this.root.getBoundingClientRect().top - this.root.clientTop;
    const row = Math.floor((y + this.root.scrollTop - TOP) / ROW);
    this.setHover(y >= TOP && row >= 0 && row < this.data.n ? row : null);
  }

  setHover(row) {
    if (row === this.hover) return;
    this.hover = row;
    this.onToken(row ?? this.cursor, { spoken: false });
    this.draw();
  }

  focused() {
    if (!this.data || !this.root.matches(":focus-visible")) return;
    this.move(this.cursor ?? 0);
  }

  key(event) {
    if (!this.data || event.altKey || event.metaKey || event.ctrlKey) return;
    const last = this.data.n - 1;
    const at = this.cursor ?? 0;
    const next = { ArrowUp: at - 1, ArrowDown: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.move(null);
    else if (next !== undefined) this.move(Math.min(Math.max(next, 0), last));
    else return;
    event.preventDefault();
  }

  move(row) {
    Object.assign(this, { cursor: row, hover: null });
    if (row !== null) {
      const { root } = this;
      root.scrollTop = scrolledTo(root.scrollTop, root.clientHeight - TOP, row * ROW, (row + 1) * ROW);
    }
    this.onToken(row, { spoken: false });
    this.speak();
    this.draw();
  }
}
