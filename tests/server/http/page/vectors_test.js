import assert from "node:assert/strict";
import { test } from "node:test";

import { placeLabels } from "../../../../server/http/page/place.js";
import {
  closest, compareMatrices, cosineMatrix, difference, principalMap, symmetricEigen,
} from "../../../../server/http/page/vectors.js";

const near = (actual, expected, off = 1e-6) => assert.ok(Math.abs(actual - expected) <= off, `${actual} is not ${expected}`);

test("cosines do not depend on lengths", () => {
  const matrix = cosineMatrix([Float32Array.of(2, 0), Float32Array.of(3, 3), Float32Array.of(0, 0)]);
  near(matrix[0], 1);
  near(matrix[1], Math.SQRT1_2);
  assert.equal(matrix[1], matrix[3]);
  assert.equal(matrix[2], 0);
  assert.equal(matrix[8], 0);
});

test("differences and what they come to", () => {
  const a = Float32Array.of(1, 0.5, 0.1, 0.5, 1, 0.2, 0.1, 0.2, 1);
  const b = Float32Array.of(1, 0.6, 0.1, 0.6, 1, 0.7, 0.1, 0.7, 1);
  near(difference(a, b)[1], 0.1);
  const { largest, mean, same } = compareMatrices(a, b, 3);
  near(largest.value, 0.5);
  assert.deepEqual([largest.row, largest.column], [2, 1]);
  near(mean, 0.2);
  assert.equal(same, 2); // line 1 was closest to 0 and is now closest to 2
});

test("the closest others leave out the line itself", () => {
  const matrix = Float32Array.of(1, 0.5, 0.75, 0.5, 1, 0, 0.75, 0, 1);
  assert.deepEqual(closest(matrix, 3, 0, 5), [{ index: 2, value: 0.75 }, { index: 1, value: 0.5 }]);
});

test("eigenvalues of a matrix that is known", () => {
  const [first, second] = symmetricEigen(Float64Array.of(2, 1, 1, 2), 2);
  near(first.value, 3, 1e-12);
  near(second.value, 1, 1e-12);
  near(Math.abs(first.vector[0]), Math.SQRT1_2, 1e-12);
  near(first.vector[0] * first.vector[1], 0.5, 1e-12);
});

test("eigenvectors of a larger matrix give it back", () => {
  const n = 24;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; ++i) for (let j = 0; j <= i; ++j) matrix[i * n + j] = matrix[j * n + i] = Math.sin(i * 7.3 + j * 3.1);
  const found = symmetricEigen(matrix.slice(), n);
  for (let i = 0; i < n; ++i) {
    for (let j = 0; j < n; ++j) {
      near(found.reduce((sum, { value, vector }) => sum + value * vector[i] * vector[j], 0), matrix[i * n + j], 1e-9);
    }
  }
  for (let k = 1; k < n; ++k) assert.ok(found[k - 1].value >= found[k].value);
});

test("points on a line lie on the first axis, at their distances", () => {
  const at = [0, 1, 5];
  const vectors = at.map((t) => Float32Array.of(1 + 3 * t, 2 + 4 * t, 7));
  const { points, explained } = principalMap(vectors);
  near(points[2][0] - points[0][0], 25, 1e-4);
  near(points[1][0] - points[0][0], 5, 1e-4);
  for (const [, y] of points) near(y, 0, 1e-4);
  near(explained[0], 1, 1e-9);
});

test("the map has a sign of its own: the farthest point is on the positive side", () => {
  const vectors = Array.from({ length: 6 }, (_, i) => Float32Array.from({ length: 8 }, (_, k) => Math.sin(i * 2.7 + k * 1.3 + i * k)));
  const mirrored = vectors.map((vector) => vector.map((value) => -value));
  const [a, b] = [principalMap(vectors), principalMap(mirrored)];
  for (const axis of [0, 1]) {
    const far = a.points.reduce((most, point) => (Math.abs(point[axis]) > Math.abs(most[axis]) ? point : most));
    assert.ok(far[axis] > 0);
    a.points.forEach((point, i) => near(point[axis], b.points[i][axis], 1e-6));
  }
});

test("few or equal lines have a map, too", () => {
  assert.deepEqual(principalMap([]).points, []);
  assert.deepEqual(principalMap([Float32Array.of(1, 2)]).points, [[0, 0]]);
  const { points, explained } = principalMap([Float32Array.of(1, 2), Float32Array.of(1, 2)]);
  assert.deepEqual(points.flat().map(Math.abs), [0, 0, 0, 0]);
  assert.deepEqual(explained, [0, 0]);
});

test("labels avoid each other and the borders, or shrink to a number", () => {
  const plane = { width: 200, height: 100 };
  assert.equal(placeLabels([[20, 50]], [60], plane)[0].anchor, "start");
  assert.equal(placeLabels([[190, 50]], [60], plane)[0].anchor, "end");
  const [first, second] = placeLabels([[100, 50], [100, 54]], [60, 60], plane);
  assert.equal(first.anchor, "start");
  assert.notEqual(second.anchor, "start");
  assert.equal(placeLabels([[100, 50]], [300], plane)[0].whole, false);
});
