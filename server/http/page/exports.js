// What leaves the page as a file, as text: a map as CSV or SVG, everything as the JSON that bertviz' views take. A picture
// as PNG is the canvas's own business.

import { hexColor, stepOf } from "./color.js";

export function csvField(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// A table with the tokens as its head and first column. They carry their index: the same token may come twice, and no
// spreadsheet takes "3 =SUM" for a formula.
export function mapToCsv(map, rowLabels, columnLabels = rowLabels) {
  const label = (text, i) => csvField(`${i} ${text}`);
  const lines = [["", ...columnLabels.map(label)].join(",")];
  rowLabels.forEach((text, row) => {
    const at = row * columnLabels.length;
    const values = Array.from(map.subarray(at, at + columnLabels.length), (value) => shortest(value));
    lines.push([label(text, row), ...values].join(","));
  });
  return lines.join("\r\n") + "\r\n";
}

// The fewest digits that give the same float32 again.
export function shortest(value) {
  for (let digits = 6; digits < 9; ++digits) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}

export function xmlText(text) {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

// Runs of one colour in a row are one rectangle, all rectangles of a colour one path: 256 tokens stay a small file.
function paths(shares, n, table) {
  const byStep = new Map();
  for (let row = 0; row < n; ++row) {
    for (let column = 0; column < n; ) {
      const step = stepOf(shares[row * n + column]);
      let end = column + 1;
      while (end < n && stepOf(shares[row * n + end]) === step) ++end;
      byStep.set(step, `${byStep.get(step) ?? ""}M${column} ${row}h${end - column}v1h${column - end}z`);
      column = end;
    }
  }
  return [...byStep]
    .sort(([a], [b]) => a - b)
    .map(([step, d]) => `<path fill="${hexColor(table, step / (table.length / 3 - 1))}" d="${d}"/>`)
    .join("\n");
}

// shares: [n, n] of 0..1, what the colours stand for. colors: {table, paper, ink}.
export function mapToSvg(shares, labels, title, colors) {
  const n = labels.length;
  const cell = n <= 64 ? 16 : 8;
  const font = cell * 0.7;
  const margin = Math.ceil(Math.max(...labels.map((label) => label.length), 4) * font * 0.62) + 12;
  const top = margin + 28;
  const text = labels.map((label, i) => {
    const middle = (i + 0.5) * cell;
    return (
      `<text x="${margin - 6}" y="${top + middle}" text-anchor="end" dominant-baseline="central">${xmlText(label)}</text>` +
      `<text transform="translate(${margin + middle} ${top - 6}) rotate(-90)" dominant-baseline="central">${xmlText(label)}</text>`
    );
  });
  const size = n * cell;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${margin + size + 12}" height="${top + size + 12}" role="img">
<title>${xmlText(title)}</title>
<rect width="100%" height="100%" fill="${colors.paper}"/>
<text x="12" y="20" font-family="sans-serif" font-size="13" fill="${colors.ink}">${xmlText(title)}</text>
<g font-family="monospace" font-size="${font}" fill="${colors.ink}">
${text.join("\n")}
</g>
<g transform="translate(${margin} ${top}) scale(${cell})" shape-rendering="crispEdges">
${paths(shares, n, colors.table)}
</g>
</svg>
`;
}

function nested(attention, layer, head, rows, columns) {
  const map = attention.head(layer, head);
  const n = attention.n;
  const of = (row) => `[${Array.from(map.subarray(row * n + columns[0], row * n + columns[1]), shortest).join(",")}]`;
  return `[${Array.from({ length: rows[1] - rows[0] }, (_, i) => of(rows[0] + i)).join(",")}]`;
}

function part(attention, name, rows, columns) {
  const layers = Array.from({ length: attention.layers }, (_, layer) => {
    const heads = Array.from({ length: attention.heads }, (_, head) => nested(attention, layer, head, rows, columns));
    return `[${heads.join(",")}]`;
  });
  const texts = (range) => JSON.stringify(attention.tokens.slice(...range).map((token) => token.text));
  return (
    `{"name":${JSON.stringify(name)},"left_text":${texts(rows)},"right_text":${texts(columns)},` +
    `"attn":[${layers.join(",")}]}`
  );
}

// The parameters that head_view and model_view of bertviz 1.4 give to their scripts: attn is [layers][heads][row][column];
// of a pair the whole and its four parts. Written as text in pieces, because the numbers as objects would be ten times the memory.
export function bertvizJson(attention) {
  const all = [0, attention.n];
  const second = attention.tokens.findIndex((token) => token.typeId === 1);
  const parts = [part(attention, second < 0 ? null : "All", all, all)];
  if (second >= 0) {
    const [a, b] = [[0, second], [second, attention.n]];
    parts.push(part(attention, "Sentence A -> Sentence A", a, a), part(attention, "Sentence B -> Sentence B", b, b));
    parts.push(part(attention, "Sentence A -> Sentence B", a, b), part(attention, "Sentence B -> Sentence A", b, a));
  }
  const numbers = (count) => JSON.stringify(Array.from({ length: count }, (_, i) => i));
  return (
    `{"attention":[${parts.join(",")}],"default_filter":"0","sentence_b_start":${second < 0 ? null : second},` +
    `"include_layers":${numbers(attention.layers)},"include_heads":${numbers(attention.heads)},` +
    `"total_heads":${attention.heads}}`
  );
}
