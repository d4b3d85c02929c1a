// What only the tree can tell: every file is built in, every import and address leads to one, nothing comes from outside.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../../../server/http/page/", import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), "utf8");
const names = readdirSync(folder);
const listed = /set\(PAGE_FILES\n([^)]*)\)/.exec(read("CMakeLists.txt"))[1].trim().split(/\s+/);
const scripts = listed.filter((name) => name.endsWith(".js"));

test("what is there is built in, what is built in is there", () => {
  const notServed = new Set(["CMakeLists.txt", "assets.h", "package.json"]);
  assert.deepEqual([...listed].sort(), names.filter((name) => !notServed.has(name)).sort());
});

test("imports and workers are files that are built in", () => {
  let found = 0;
  for (const name of scripts) {
    for (const [, target] of read(name).matchAll(/(?:from |new URL\()"\.\/([^"]+)"/g)) {
      ++found;
      assert.ok(listed.includes(target), `${name} wants ${target}`);
    }
  }
  assert.ok(found > 20);
});

test("every import is there and used", () => {
  for (const name of scripts) {
    const text = read(name);
    for (const [, imported, target] of text.matchAll(/import \{([^}]*)\} from "\.\/([^"]+)"/g)) {
      for (const each of imported.split(",").map((part) => part.trim()).filter(Boolean)) {
        assert.match(read(target), new RegExp(`export (?:async )?(?:function|const|class) ${each}\\b`), `${name}: ${each} of ${target}`);
        assert.ok(text.match(new RegExp(`\\b${each}\\b`, "g")).length > 1, `${name} does not use ${each}`);
      }
    }
  }
});

test("the page names files that are built in, and nothing from outside", () => {
  const html = read("index.html");
  const addresses = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
  for (const address of addresses.filter((each) => !each.startsWith("#"))) {
    assert.ok(address.startsWith("page/") && listed.includes(address.slice(5)), address);
  }
  for (const name of listed) {
    const text = read(name).replaceAll(/http:\/\/www\.w3\.org\/2000\/svg/g, "");
    assert.doesNotMatch(text, /https?:\/\/|@import|url\(/, name);
  }
});

test("nothing that a strict Content-Security-Policy forbids", () => {
  const html = read("index.html");
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:|data:/i);
  for (const name of scripts) {
    assert.doesNotMatch(read(name), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\("style"/, name);
  }
});

test("every id that a script asks for is in the page", () => {
  const html = read("index.html");
  for (const name of scripts) {
    for (const [, id] of read(name).matchAll(/byId\("([^"]+)"\)/g)) assert.match(html, new RegExp(`id="${id}"`), `${name}: ${id}`);
  }
});

test("modules stay small", () => {
  for (const name of scripts) assert.ok(read(name).split("\n").length <= 250, name);
});
