import assert from "node:assert/strict";
import { test } from "node:test";

import { Attention, countedTokens, maximum, product, strongest, tokenName, viewName } from "../../../../server/http/page/tensor.js";

const TOKENS = [{ text: "[CLS]", special: true }, { text: "a", special: false }];
// Two layers of two heads over two tokens; each row sums to 1.
const VALUES = Float32Array.of(1, 0, 0.5, 0.5, 0, 1, 0.5, 0.5, 0.25, 0.75, 1, 0, 0.75, 0.25, 0, 1);
const attention = () => new Attention(VALUES, 2, 2, TOKENS);

const near = (actual, expected) => {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i] - value) < 1e-6, `[${i}] ${actual[i]} is not ${value}`));
};

test("a head is its part of the values", () => {
  near(attention().head(1, 0), [0.25, 0.75, 1, 0]);
  near(attention().map({ kind: "head", layer: 0, head: 1 }), [0, 1, 0.5, 0.5]);
});

test("values that are not the shape's are refused", () => {
  assert.throws(() => new Attention(VALUES.subarray(1), 2, 2, TOKENS), /15 values are not 2 x 2 x 2 x 2/);
});

test("the mean is over the heads of a layer", () => {
  near(attention().mean(0), [0.5, 0.5, 0.5, 0.5]);
  near(attention().mean(1), [0.5, 0.5, 0.5, 0.5]);
});

test("rollout adds the identity, renormalises and multiplies through the layers", () => {
  // (mean + I) / 2 = [0.75 0.25; 0.25 0.75]; squared: [0.625 0.375; 0.375 0.625].
  near(attention().rollout(0), [0.75, 0.25, 0.25, 0.75]);
  near(attention().rollout(1), [0.625, 0.375, 0.375, 0.625]);
});

test("rollout multiplies the later layer from the left", () => {
  // Layer 0 reads only token 1, layer 1 only token 0.
  const values = Float32Array.of(0, 1, 0, 1, 1, 0, 1, 0);
  const rolled = new Attention(values, 2, 1, TOKENS).rollout(1);
  // [1 0; 0.5 0.5] x [0.5 0.5; 0 1]
  near(rolled, [0.5, 0.5, 0.25, 0.75]);
});

test("rows of a rollout sum to one", () => {
  const n = 9;
  const values = new Float32Array(3 * 2 * n * n);
  for (let row = 0; row < 3 * 2 * n; ++row) {
    let sum = 0;
    for (let i = 0; i < n; ++i) sum += values[row * n + i] = ((row * 31 + i * 17) % 11) + 0.1;
    for (let i = 0; i < n; ++i) values[row * n + i] /= sum;
  }
  const tokens = Array.from({ length: n }, () => TOKENS[1]);
  const rolled = new Attention(values, 3, 2, tokens).rollout(2);
  for (let row = 0; row < n; ++row) {
    const sum = rolled.subarray(row * n, row * n + n).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum - 1) < 1e-5, `row ${row}: ${sum}`);
  }
});

test("matrices are multiplied row by column", () => {
  near(product(Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8), 2), [19, 22, 43, 50]);
});

test("special tokens count only when asked for, as rows and as columns", () => {
  assert.deepEqual([...countedTokens(TOKENS, true)], [1, 1]);
  const counted = countedTokens(TOKENS, false);
  assert.deepEqual([...counted], [0, 1]);
  const map = Float32Array.of(0.9, 0.8, 0.7, 0.3);
  assert.equal(maximum(map, 2, counted), Math.fround(0.3));
  assert.equal(maximum(map, 2, countedTokens(TOKENS, true)), Math.fround(0.9));
});

test("the strongest of a row come first, of equals the earlier", () => {
  const map = Float32Array.of(0.125, 0.5, 0.25, 0.125);
  const all = strongest(map, 4, 0, 3, null);
  assert.deepEqual(all, [{ column: 1, value: 0.5 }, { column: 2, value: 0.25 }, { column: 0, value: 0.125 }]);
  assert.deepEqual(strongest(map, 4, 0, 9, null).map(({ column }) => column), [1, 2, 0, 3]);
  assert.deepEqual(strongest(map, 4, 0, 2, Uint8Array.of(1, 0, 0, 1)).map(({ column }) => column), [0, 3]);
});

test("views are named as the command line counts", () => {
  assert.equal(viewName({ kind: "head", layer: 5, head: 9 }), "layer 5, head 9");
  assert.equal(viewName({ kind: "mean", layer: 0 }), "layer 0, mean of its heads");
  assert.equal(viewName({ kind: "rollout", layer: 2 }), "rollout through layer 2");
});

test("a token that cannot be seen has a name", () => {
  assert.equal(tokenName({ text: " " }), "(blank)");
  assert.equal(tokenName({ text: "##s" }), "##s");
});
