// What one GetAttention answer is to the page: [layers, heads, rows, columns] of float32 with its tokens, and what can be
// computed from it. A "map" is [n, n], row-major: row i is what token i reads, its values sum to 1.

export class Attention {
  // values: Float32Array of layers * heads * n * n; tokens: [{text, special, typeId, ...}]; derived: means and rollouts
  // that another thread has computed already.
  constructor(values, layers, heads, tokens, derived = new Map()) {
    const n = tokens.length;
    if (values.length !== layers * heads * n * n) {
      throw new RangeError(`${values.length} values are not ${layers} x ${heads} x ${n} x ${n}`);
    }
    Object.assign(this, { values, layers, heads, tokens, n, derived });
  }

  // A view, not a copy.
  head(layer, head) {
    const size = this.n * this.n;
    const at = (layer * this.heads + head) * size;
    return this.values.subarray(at, at + size);
  }

  mean(layer) {
    return this.once(`mean ${layer}`, () => meanOfHeads(this, layer));
  }

  // Through all layers up to this one.
  rollout(layer) {
    return this.once(`rollout ${layer}`, () => {
      const before = layer > 0 ? this.rollout(layer - 1) : null;
      return rolloutStep(this.mean(layer), before, this.n);
    });
  }

  // view: {kind: "head", layer, head}, {kind: "mean", layer} or {kind: "rollout", layer}.
  map(view) {
    return view.kind === "head" ? this.head(view.layer, view.head) : this[view.kind](view.layer);
  }

  once(key, make) {
    if (!this.derived.has(key)) this.derived.set(key, make());
    return this.derived.get(key);
  }
}

function meanOfHeads(attention, layer) {
  const out = new Float32Array(attention.n * attention.n);
  for (let head = 0; head < attention.heads; ++head) {
    const map = attention.head(layer, head);
    for (let i = 0; i < out.length; ++i) out[i] += map[i];
  }
  for (let i = 0; i < out.length; ++i) out[i] /= attention.heads;
  return out;
}

// Attention rollout (Abnar and Zuidema, 2020): half of a token's next vector is taken to be its own (the residual path),
// half what its heads read on average; layers are multiplied.   A' = (mean + I) / 2, rows summing to 1;   R_l = A'_l R_{l-1}
function rolloutStep(mean, before, n) {
  const mixed = new Float32Array(n * n);
  for (let row = 0; row < n; ++row) {
    let sum = 1;
    for (let column = 0; column < n; ++column) sum += mean[row * n + column];
    for (let column = 0; column < n; ++column) {
      mixed[row * n + column] = (mean[row * n + column] + (row === column ? 1 : 0)) / sum;
    }
  }
  return before ? product(mixed, before, n) : mixed;
}

export function product(a, b, n) {
  const out = new Float32Array(n * n);
  for (let row = 0; row < n; ++row) {
    const target = out.subarray(row * n, row * n + n);
    for (let k = 0; k < n; ++k) {
      const factor = a[row * n + k];
      const source = b.subarray(k * n, k * n + n);
      for (let column = 0; column < n; ++column) target[column] += factor * source[column];
    }
  }
  return out;
}

// 1 where a row or column counts: special tokens take most of the attention of many heads and hide the rest.
export function countedTokens(tokens, withSpecial) {
  return Uint8Array.from(tokens, (token) => (withSpecial || !token.special ? 1 : 0));
}

export function maximum(map, n, counted) {
  let most = 0;
  for (let row = 0; row < n; ++row) {
    if (!counted[row]) continue;
    for (let column = 0; column < n; ++column) {
      if (counted[column] && map[row * n + column] > most) most = map[row * n + column];
    }
  }
  return most;
}

// The `count` greatest of a row, greatest first; of equal ones the earlier: [{column, value}].
export function strongest(map, n, row, count, counted) {
  const found = [];
  for (let column = 0; column < n; ++column) {
    const value = map[row * n + column];
    if (counted && !counted[column]) continue;
    if (found.length === count && value <= found[count - 1].value) continue;
    let at = found.length;
    while (at > 0 && found[at - 1].value < value) --at;
    found.splice(at, 0, { column, value });
    if (found.length > count) found.pop();
  }
  return found;
}

// Layers and heads are counted from 0, as in the API and on the command line.
export function viewName(view) {
  if (view.kind === "head") return `layer ${view.layer}, head ${view.head}`;
  return view.kind === "mean" ? `layer ${view.layer}, mean of its heads` : `rollout through layer ${view.layer}`;
}

// How a token reads in a sentence: blanks and nothing would not be seen.
export function tokenName(token) {
  return token.text.trim() === "" ? "(blank)" : token.text;
}
