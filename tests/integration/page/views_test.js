// Similarity and server views, and what happens when the server goes, comes back, or wants a key.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { answered, ask, floats, launch, openPage, shown, startServer } from "./harness.js";

let server;
let browser;

before(async () => {
  [server, browser] = [await startServer(), await launch()];
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const LINES = ["A cat sleeps.", "The kitten naps.", "Profits rose by nine percent."];

async function vectors(model) {
  const answer = await ask(server.url, "v1/embeddings", { model, input: LINES, encoding_format: "base64" });
  return answer.data.map(({ embedding }) => floats(embedding));
}

const cosine = (a, b) => {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

const SIMILARITY = { kind: "similarity" };

async function valueAt(page, panel, row, column) {
  await page.locator(".panel .matrix").nth(panel).focus();
  await page.keyboard.press("Control+Home");
  for (let i = 0; i < row; ++i) await page.keyboard.press("ArrowDown");
  for (let i = 0; i < column; ++i) await page.keyboard.press("ArrowRight");
  return Number((await page.locator(".panel .readout").nth(panel).textContent()).split(" ")[0]);
}

test("two precisions side by side, with the server's numbers", async () => {
  const { page, close } = await openPage(browser, server.url, { view: "similarity" });
  await shown(page, SIMILARITY);
  await answered(page, () => page.locator("#lines").fill(`\n${LINES.join("\n\n")}\n`), "similarity");
  assert.equal(await page.locator(".panel:visible").count(), 1);
  await answered(page, () => page.locator("#model-b").selectOption("int8"), "similarity");
  assert.equal(await page.locator(".panel:visible").count(), 3);
  const [wide, narrow] = [await vectors("fp32"), await vectors("int8")];
  for (const [row, column] of [[0, 1], [2, 0]]) {
    const [a, b] = [cosine(wide[row], wide[column]), cosine(narrow[row], narrow[column])];
    assert.equal(await valueAt(page, 0, row, column), Number(a.toFixed(4)));
    assert.equal(await valueAt(page, 1, row, column), Number(b.toFixed(4)));
    assert.ok(Math.abs((await valueAt(page, 2, row, column)) - (b - a)) < 1e-4);
  }
  assert.equal(await page.locator("#maps svg circle").count(), 6);
  assert.match(await page.locator("#closest-rows tr").first().textContent(), /The kitten naps\./);
  assert.match(await page.locator("#similarity-note").textContent(), /3 of 3 lines keep their closest/);
  await close();
});

test("a line that is wrong is named as it is counted in the field", async () => {
  const { page, close } = await openPage(browser, server.url, { view: "similarity", expectErrors: true });
  await shown(page, SIMILARITY);
  await page.locator("#lines").fill("alone");
  await page.locator("#lines-error").waitFor({ state: "visible" });
  await page.locator("#lines").fill(`fine\n\n${"x".repeat(1100000)}`);
  await page.waitForFunction(() => document.getElementById("lines-error").textContent.startsWith("Line 3: "));
  assert.equal(await page.locator("#lines").getAttribute("aria-invalid"), "true");
  await close();
});

test("the server view shows models and load, and rests while it cannot be seen", async () => {
  const { page, close } = await openPage(browser, server.url, { view: "server" });
  await page.locator("#models .model").nth(1).waitFor();
  const { models } = await ask(server.url, "attendant/v1/ListModels", {});
  const cards = await page.locator("#models .model").allTextContents();
  models.forEach((model, i) => {
    for (const part of [model.name, model.fingerprint, model.precision, model.kernels, `${model.dimension} numbers`]) {
      assert.ok(cards[i].includes(part), part);
    }
  });
  await page.waitForFunction(() => document.getElementById("value-tokens").textContent === "0");
  const load = page.evaluate(() => new Promise((resolve) =>
    document.addEventListener("load", ({ detail }) => detail.tokens > 0 && resolve(detail))));
  await ask(server.url, "attendant/v1/Embed", { items: LINES.map((text) => ({ text })) });
  const { tokens, requests, p50, workers } = await load;
  assert.ok(tokens > 5 && requests > 0 && p50 > 0 && workers > 0);
  assert.match(await page.locator("#chart-tokens path").getAttribute("d"), /^M[\d.L ]+/);

  let looks = 0;
  page.on("request", (request) => (looks += request.url().endsWith("/metrics") ? 1 : 0));
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 4500)));
  assert.ok(looks <= 1, `${looks} looks while nobody could see`);
  const again = page.waitForRequest((request) => request.url().endsWith("/metrics"));
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await again;
  await close();
});

test("a server that goes is missed, one that comes back is found and asked again", async (t) => {
  const first = await startServer();
  t.after(first.stop);
  const { page, close } = await openPage(browser, first.url, { expectErrors: true });
  await shown(page);
  await first.stop();
  await page.locator("#first").fill("Typed while nobody listens.");
  await page.locator("#connection").waitFor({ state: "visible" });
  assert.match(await page.locator("#connection-text").textContent(), /does not answer/);
  await answered(page, async () => {
    const second = await startServer({ httpPort: first.port });
    t.after(second.stop);
    await page.locator("#try-now").click({ timeout: 1000 }).catch(() => {}); // it may have found out by itself
  });
  assert.equal(await page.locator("#connection").isHidden(), true);
  assert.ok((await page.locator("#tokens").textContent()).includes("nobody"));
  await close();
});

test("a key is asked for, kept for the tab only, and sent", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "attendant-keys-"));
  const key = "a-long-enough-key-for-the-page-0123456789";
  const { stdout } = spawnSync(process.env.ATTENDANT_SERVER_BINARY, ["--hash-api-key", "page"], { input: key, encoding: "utf8" });
  const file = join(folder, "keys");
  writeFileSync(file, stdout, { mode: 0o600 });
  t.after(() => rmSync(folder, { recursive: true }));
  const guarded = await startServer({ flags: ["--api-keys-file", file] });
  t.after(guarded.stop);
  const { page, close } = await openPage(browser, guarded.url, { expectErrors: true });
  await page.locator("#key-dialog").waitFor({ state: "visible" });
  await page.keyboard.type("a-wrong-key-0123456789-0123456789-0123");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("key-dialog").open && document.getElementById("key").value === "");
  await answered(page, async () => {
    await page.keyboard.type(key);
    await page.keyboard.press("Enter");
  });
  assert.equal(await page.evaluate(() => Object.values(sessionStorage).join()), key);
  assert.equal(await page.evaluate(() => Object.values(localStorage).join() + document.cookie), "");
  await answered(page, () => page.locator("#first").fill("With the key."));
  await close();
});
