// Arithmetic of a few vectors: cosines, how two matrices differ, and a flat map by principal components.

// vectors: Float32Array each, of one length. [n, n], row-major; 0 where a vector has no length.
export function cosineMatrix(vectors) {
  const n = vectors.length;
  const lengths = vectors.map((vector) => Math.sqrt(dot(vector, vector)));
  const out = new Float32Array(n * n);
  for (let i = 0; i < n; ++i) {
    for (let j = 0; j <= i; ++j) {
      const scale = lengths[i] * lengths[j];
      out[i * n + j] = out[j * n + i] = scale > 0 ? dot(vectors[i], vectors[j]) / scale : 0;
    }
  }
  return out;
}

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i] * b[i];
  return sum;
}

export function difference(a, b) {
  return Float32Array.from(a, (value, i) => b[i] - value);
}

// Of the pairs i > j of two [n, n] matrices: {largest: {value, row, column}, mean, order}, where order is the share of
// the neighbourhoods (each line's closest other line) that are the same in both.
export function compareMatrices(a, b, n) {
  const largest = { value: 0, row: 0, column: 0 };
  let sum = 0;
  for (let i = 0; i < n; ++i) {
    for (let j = 0; j < i; ++j) {
      const off = b[i * n + j] - a[i * n + j];
      sum += Math.abs(off);
      if (Math.abs(off) > Math.abs(largest.value)) Object.assign(largest, { value: off, row: i, column: j });
    }
  }
  let same = 0;
  for (let i = 0; i < n; ++i) same += closest(a, n, i, 1)[0]?.index === closest(b, n, i, 1)[0]?.index ? 1 : 0;
  return { largest, mean: n > 1 ? sum / ((n * (n - 1)) / 2) : 0, same };
}

// The other lines by similarity: [{index, value}], the most similar first.
export function closest(matrix, n, row, count) {
  const others = [];
  for (let index = 0; index < n; ++index) if (index !== row) others.push({ index, value: matrix[row * n + index] });
  return others.sort((a, b) => b.value - a.value || a.index - b.index).slice(0, count);
}

// Eigenvalues and eigenvectors of a symmetric [n, n] matrix by Jacobi's rotations, greatest first. The matrix is used up.
export function symmetricEigen(matrix, n) {
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; ++i) vectors[i * n + i] = 1;
  const scale = matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let sweep = 0; sweep < 60; ++sweep) {
    let rotated = false;
    for (let p = 0; p < n; ++p) {
      for (let q = p + 1; q < n; ++q) {
        if (Math.abs(matrix[p * n + q]) <= 1e-14 * scale) continue;
        rotate(matrix, vectors, n, p, q);
        rotated = true;
      }
    }
    if (!rotated) break;
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => matrix[b * n + b] - matrix[a * n + a] || a - b);
  return order.map((k) => ({
    value: matrix[k * n + k],
    vector: Float64Array.from({ length: n }, (_, i) => vectors[i * n + k]),
  }));
}

function rotate(matrix, vectors, n, p, q) {
  const theta = (matrix[q * n + q] - matrix[p * n + p]) / (2 * matrix[p * n + q]);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let i = 0; i < n; ++i) {
    const ip = matrix[i * n + p];
    const iq = matrix[i * n + q];
    matrix[i * n + p] = c * ip - s * iq;
    matrix[i * n + q] = s * ip + c * iq;
  }
  for (let i = 0; i < n; ++i) {
    const pi = matrix[p * n + i];
    const qi = matrix[q * n + i];
    matrix[p * n + i] = c * pi - s * qi;
    matrix[q * n + i] = s * pi + c * qi;
    const vp = vectors[i * n + p];
    const vq = vectors[i * n + q];
    vectors[i * n + p] = c * vp - s * vq;
    vectors[i * n + q] = s * vp + c * vq;
  }
}

// The first two principal components: {points: [[x, y], ...], explained: [share, share]}. From the [n, n] products of the
// centred vectors, since there are fewer lines than dimensions. An axis has no sign of its own: the point that is farthest
// out on it (the first of equals) is put on its positive side, so that the same lines give the same map.
export function principalMap(vectors) {
  const n = vectors.length;
  if (n === 0) return { points: [], explained: [0, 0] };
  const mean = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let k = 0; k < mean.length; ++k) mean[k] += vector[k] / n;
  const centred = vectors.map((vector) => Float64Array.from(vector, (value, k) => value - mean[k]));
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; ++i) {
    for (let j = 0; j <= i; ++j) gram[i * n + j] = gram[j * n + i] = dot(centred[i], centred[j]);
  }
  let spread = 0;
  for (let i = 0; i < n; ++i) spread += gram[i * n + i];
  const axes = symmetricEigen(gram, n)
    .slice(0, 2)
    .map(({ value, vector }) => ({ value: Math.max(value, 0), along: signed(vector).map((x) => x * Math.sqrt(Math.max(value, 0))) }));
  while (axes.length < 2) axes.push({ value: 0, along: new Float64Array(n) });
  return {
    points: Array.from({ length: n }, (_, i) => [axes[0].along[i], axes[1].along[i]]),
    explained: axes.map(({ value }) => (spread > 0 ? value / spread : 0)),
  };
}

function signed(vector) {
  let far = 0;
  for (let i = 1; i < vector.length; ++i) if (Math.abs(vector[i]) > Math.abs(vector[far]) * (1 + 1e-9)) far = i;
  return vector[far] < 0 ? vector.map((value) => -value) : vector;
}
