import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { ApiError, call, checkStatus, errorOf, modelOf, tokenOf } from "../../../../server/http/page/api.js";
import { COMFORTABLE_BYTES, attentionBytes, fieldOfAttention, lineOfField, planLayers } from "../../../../server/http/page/plan.js";

const original = globalThis.fetch;
afterEach(() => (globalThis.fetch = original));

test("errors of every shape say what and where", () => {
  const native = errorOf(400, '{"error":{"code":"INVALID_ARGUMENT","message":"blank","field":"item.text"}}');
  assert.deepEqual([native.kind, native.message, native.code, native.field], ["refused", "blank", "INVALID_ARGUMENT", "item.text"]);
  const openai = errorOf(400, '{"error":{"message":"too long","type":"invalid_request_error","param":"input[3]","code":null}}');
  assert.deepEqual([openai.message, openai.field], ["too long", "input[3]"]);
  assert.equal(errorOf(500, '{"error":"plain"}').message, "plain");
  assert.match(errorOf(500, "<html>").message, /answered 500/);
  assert.equal(errorOf(401, "{}").kind, "key");
  assert.equal(errorOf(502, "<html>").kind, "lost");
  assert.equal(errorOf(503, "").kind, "lost");
  assert.equal(errorOf(503, '{"error":{"message":"draining"}}').kind, "refused");
});

test("a call is below the page's own address and carries the key", async () => {
  let asked;
  globalThis.fetch = async (url, options) => {
    asked = { url: String(url), ...options };
    return new Response('{"models":[]}');
  };
  const answer = await call({ path: "attendant/v1/ListModels", body: {}, key: "k", base: "https://h/prefix/" });
  assert.deepEqual(answer, { models: [] });
  assert.equal(asked.url, "https://h/prefix/attendant/v1/ListModels");
  assert.equal(asked.method, "POST");
  assert.equal(asked.headers.Authorization, "Bearer k");
  await call({ path: "metrics", base: "https://h/", read: "json" });
  assert.equal(asked.method, "GET");
  assert.equal(asked.headers.Authorization, undefined);
});

test("no answer, a broken answer and a cancelled one are told apart", async () => {
  globalThis.fetch = async () => { throw new TypeError("Failed to fetch"); };
  await assert.rejects(call({ path: "x", base: "http://h/" }), (error) => error instanceof ApiError && error.kind === "lost");
  globalThis.fetch = async () => new Response("{");
  await assert.rejects(call({ path: "x", base: "http://h/" }), (error) => error.kind === "refused" && /cannot be read/.test(error.message));
  globalThis.fetch = async () => { throw new DOMException("aborted", "AbortError"); };
  await assert.rejects(call({ path: "x", base: "http://h/" }), (error) => error.kind === "cancelled");
});

test("fields at their defaults are not in the JSON", () => {
  assert.deepEqual(tokenOf({ id: 5, text: "a" }), { id: 5, text: "a", special: false, typeId: 0, start: 0, end: 0 });
  const model = modelOf({ name: "m", numLayers: 6, numHeads: 12, state: "MODEL_STATE_READY", pooling: ["POOLING_MEAN"],
    loadedUnixMs: "17", limits: { maxMessageBytes: "33554432", maxItemsPerRequest: 1024 } });
  assert.deepEqual([model.layers, model.heads, model.state, model.isDefault, model.pooling], [6, 12, "ready", false, ["mean"]]);
  assert.deepEqual(model.limits, { maxMessageBytes: 33554432, maxItemsPerRequest: 1024 });
});

test("an item's own error is an error", () => {
  checkStatus(undefined);
  checkStatus({});
  assert.throws(() => checkStatus({ code: 3, message: "blank", field: "items[0].text" }), (error) => error.field === "items[0].text");
});

const MODEL = { layers: 6, heads: 12, limits: { maxAttentionBytes: 64 << 20 } };

test("attention is asked for in one call where that is comfortable, in layers where not", () => {
  assert.equal(attentionBytes(MODEL, 256), 6 * 12 * 256 * 256 * 4);
  assert.deepEqual(planLayers(MODEL, 256), [[0, 1, 2, 3, 4, 5]]);
  const many = planLayers({ ...MODEL, layers: 12 }, 512);
  assert.deepEqual(many.flat(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  for (const layers of many) assert.ok(layers.length * 12 * 512 * 512 * 4 <= COMFORTABLE_BYTES);
});

test("the server's limit goes before comfort, and one layer is the least", () => {
  const small = { ...MODEL, limits: { maxAttentionBytes: 3 << 20 } };
  assert.deepEqual(planLayers(small, 100).map((layers) => layers.length), [6]);
  assert.deepEqual(planLayers(small, 200).map((layers) => layers.length), [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(planLayers({ ...MODEL, limits: {} }, 16).length, 1);
});

test("what no browser can hold is said before it is asked for", () => {
  assert.throws(() => planLayers({ ...MODEL, layers: 24, heads: 16 }, 2048), /2048 tokens is \d+ MB/);
});

test("fields are those of the form", () => {
  assert.equal(fieldOfAttention("item.pair.second"), "second");
  assert.equal(fieldOfAttention("items[0].pair.second"), "second");
  assert.equal(fieldOfAttention("item.text"), "first");
  assert.equal(fieldOfAttention("model"), "model");
  assert.equal(fieldOfAttention(""), "first");
  assert.equal(lineOfField("input[3]"), 3);
  assert.equal(lineOfField("items[12].text"), 12);
  assert.equal(lineOfField("model"), null);
});
