import assert from "node:assert/strict";
import { test } from "node:test";

import { sequential } from "../../../../server/http/page/color.js";
import { bertvizJson, csvField, mapToCsv, mapToSvg, shortest, xmlText } from "../../../../server/http/page/exports.js";
import { Attention } from "../../../../server/http/page/tensor.js";

test("CSV fields are quoted where they must be", () => {
  assert.equal(csvField("plain"), "plain");
  assert.equal(csvField('say "hi", you'), '"say ""hi"", you"');
  assert.equal(csvField("a\nb"), '"a\nb"');
});

test("a map as CSV has its tokens, with their index, on both sides", () => {
  const csv = mapToCsv(Float32Array.of(0.25, 0.75, 1, 0), ["a", ","]);
  assert.equal(csv, ',0 a,"1 ,"\r\n0 a,0.25,0.75\r\n"1 ,",1,0\r\n');
});

test("no cell of a CSV begins like a formula", () => {
  const cells = mapToCsv(Float32Array.of(1), ["=1+1"]).trim().split(/,|\r\n/);
  for (const cell of cells) assert.doesNotMatch(cell, /^[=+@-]/);
});

test("numbers have as few digits as give the same float32 again", () => {
  assert.equal(shortest(Math.fround(0.1)), "0.1");
  for (let i = 1; i < 3000; ++i) {
    const value = Math.fround(Math.abs(Math.sin(i * 12.9898) * 43758.5453) % 1);
    assert.equal(Math.fround(Number(shortest(value))), value);
    assert.ok(shortest(value).length <= 14, shortest(value));
  }
  for (const value of [0, 1, Math.fround(1e-38), Math.fround(1.17e-41)]) assert.equal(Math.fround(Number(shortest(value))), value);
});

test("text in XML is text", () => {
  assert.equal(xmlText(`<a b="c">&'\u0000`), `&lt;a b=&quot;c&quot;&gt;&amp;'\ufffd`);
});

test("an SVG has every cell in its colour, runs of one colour as one", () => {
  const colors = { table: sequential("light"), paper: "#ffffff", ink: "#000000" };
  const svg = mapToSvg(Float32Array.of(0, 0, 1, 0), ["<s>", "b"], "a & b", colors);
  assert.match(svg, /<title>a &amp; b<\/title>/);
  assert.equal(svg.match(/&lt;s&gt;/g).length, 2);
  const paths = [...svg.matchAll(/<path fill="(#[0-9a-f]{6})" d="([^"]+)"/g)].map(([, , d]) => d);
  assert.deepEqual(paths, ["M0 0h2v1h-2zM1 1h1v1h-1z", "M0 1h1v1h-1z"]);
  assert.doesNotMatch(svg, /NaN|undefined/);
});

const tokens = (...kinds) => kinds.map((typeId, i) => ({ text: `t${i}`, typeId, special: false }));

test("bertviz gets [layers][heads][rows][columns] and the tokens of both sides", () => {
  const values = Float32Array.of(0.5, 0.5, 1, 0, 0, 1, 0.25, 0.75);
  const json = JSON.parse(bertvizJson(new Attention(values, 2, 1, tokens(0, 0))));
  assert.deepEqual(json.attention, [{
    name: null, left_text: ["t0", "t1"], right_text: ["t0", "t1"],
    attn: [[[[0.5, 0.5], [1, 0]]], [[[0, 1], [0.25, 0.75]]]],
  }]);
  assert.deepEqual([json.include_layers, json.include_heads, json.total_heads, json.sentence_b_start], [[0, 1], [0], 1, null]);
  assert.equal(json.default_filter, "0");
});

test("a pair has its four parts as well", () => {
  const values = Float32Array.from({ length: 9 }, (_, i) => i);
  const json = JSON.parse(bertvizJson(new Attention(values, 1, 1, tokens(0, 0, 1))));
  assert.equal(json.sentence_b_start, 2);
  const by = Object.fromEntries(json.attention.map((part) => [part.name, part]));
  assert.deepEqual(by.All.attn[0][0], [[0, 1, 2], [3, 4, 5], [6, 7, 8]]);
  assert.deepEqual(by["Sentence A -> Sentence B"].attn[0][0], [[2], [5]]);
  assert.deepEqual(by["Sentence A -> Sentence B"].left_text, ["t0", "t1"]);
  assert.deepEqual(by["Sentence A -> Sentence B"].right_text, ["t2"]);
  assert.deepEqual(by["Sentence B -> Sentence A"].attn[0][0], [[6, 7]]);
  assert.deepEqual(by["Sentence B -> Sentence B"].attn[0][0], [[8]]);
});
