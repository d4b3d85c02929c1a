import assert from "node:assert/strict";
import { test } from "node:test";

import { bytesOfBase64, floatsOfBase64 } from "../../../../server/http/page/base64.js";

test("every length comes back", () => {
  for (let length = 0; length < 70; ++length) {
    const bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 89 + length) & 255));
    assert.deepEqual(Buffer.from(bytesOfBase64(bytes.toString("base64"))), bytes);
  }
});

test("floats are little-endian", () => {
  assert.deepEqual([...floatsOfBase64("AACAPwAAAMA=")], [1, -2]);
  assert.deepEqual([...floatsOfBase64("")], []);
});

test("what is not base64, or not floats, is refused", () => {
  for (const text of ["A", "AAA", "A*==", "AA\u0141A", "AA==AAAA"]) assert.throws(() => bytesOfBase64(text), SyntaxError, text);
  assert.throws(() => floatsOfBase64("AAAA"), /3 bytes/);
});
