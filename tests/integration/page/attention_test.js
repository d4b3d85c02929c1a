// The attention explorer on a real server: are the numbers the server's, however they are shown?

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { answered, download, getAttention, launch, openPage, shown, small, startServer } from "./harness.js";

const SENTENCE = "The animal did not cross the street because it was too tired.";
let server;
let browser;

before(async () => {
  [server, browser] = [await startServer(), await launch()];
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const near = (actual, expected, off, what) => assert.ok(Math.abs(actual - expected) <= off, `${what}: ${actual} is not ${expected}`);

async function withPage(options, use) {
  const opened = await openPage(browser, server.url, options);
  await shown(opened.page);
  await use(opened.page);
  await opened.close();
}

// [n, n] of a saved map.
function table(csv) {
  return csv.toString().trim().split("\r\n").slice(1).map((line) => line.match(/(?<=,)[0-9.e-]+(?=,|$)/g).map(Number));
}

test("typing shows the tokens and every head's numbers", async () => {
  await withPage({}, async (page) => {
    await answered(page, () => page.locator("#first").fill("Cats chase unbelievably quick mice."));
    const expected = await getAttention(server.url, { text: "Cats chase unbelievably quick mice." });
    assert.deepEqual(await page.locator("#tokens li").allTextContents(), expected.tokens);
    assert.equal(await page.locator("#overview button").count(), expected.layers * (expected.heads + 2));
    for (const [layer, head] of [[0, 0], [3, 7], [5, 11]]) {
      await small(page, layer, head).click();
      const rows = table((await download(page, "#export-csv")).body);
      const map = expected.head(layer, head);
      rows.flat().forEach((value, i) => assert.equal(Math.fround(value), map[i], `layer ${layer}, head ${head}, value ${i}`));
      assert.equal(rows.flat().length, map.length);
    }
  });
});

test("mean and rollout are what their definitions say", async () => {
  await withPage({}, async (page) => {
    const { n, layers, heads, head } = await getAttention(server.url, { text: SENTENCE });
    let rolled = null;
    for (let layer = 0; layer < layers; ++layer) {
      const mean = new Float64Array(n * n);
      for (let index = 0; index < heads; ++index) head(layer, index).forEach((value, i) => (mean[i] += value / heads));
      const mixed = mean.map((value, i) => (value + (Math.floor(i / n) === i % n ? 1 : 0)) / 2);
      const before = rolled;
      rolled = before === null ? mixed : mixed.map((_, i) => {
        let sum = 0;
        for (let k = 0; k < n; ++k) sum += mixed[Math.floor(i / n) * n + k] * before[k * n + (i % n)];
        return sum;
      });
      await small(page, layer, heads).click();
      table((await download(page, "#export-csv")).body).flat().forEach((value, i) => near(value, mean[i], 1e-6, `mean ${layer}`));
    }
    await small(page, layers - 1, heads + 1).click();
    table((await download(page, "#export-csv")).body).flat().forEach((value, i) => near(value, rolled[i], 1e-5, "rollout"));
  });
});

test("the colours of a small map are in the order of its numbers", async () => {
  await withPage({ colorScheme: "light" }, async (page) => {
    const { n, head } = await getAttention(server.url, { text: SENTENCE });
    const pixels = await small(page, 5, 9).locator("canvas").evaluate((canvas) =>
      [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]);
    assert.equal(pixels.length, n * n * 4);
    const light = (i) => 0.2126 * pixels[i * 4] + 0.7152 * pixels[i * 4 + 1] + 0.0722 * pixels[i * 4 + 2];
    const map = head(5, 9);
    const order = Array.from(map.keys()).sort((a, b) => map[a] - map[b]);
    for (let i = 12; i < order.length; i += 12) {
      assert.ok(light(order[i]) <= light(order[i - 12]) + 1, `${map[order[i]]} is lighter than ${map[order[i - 12]]}`);
    }
  });
});

test("the value under mouse and cursor is the server's", async () => {
  await withPage({}, async (page) => {
    const { n, tokens, head } = await getAttention(server.url, { text: SENTENCE });
    await small(page, 5, 9).click();
    await page.locator("#as-map .matrix").focus();
    for (let i = 0; i < 9; ++i) await page.keyboard.press("ArrowDown");
    for (let i = 0; i < 12; ++i) await page.keyboard.press("ArrowRight");
    const value = head(5, 9)[9 * n + 12].toFixed(4);
    const text = await page.locator("#readout").textContent();
    assert.ok(text.includes(`${tokens[9]} → ${tokens[12]}`) && text.includes(value), `${text}, expected ${value}`);
    await page.waitForFunction((said) => document.getElementById("announcer").textContent.includes(said), value);

    const box = await page.locator("#as-map .matrix").boundingBox();
    await page.mouse.move(box.x + box.width - 30, box.y + box.height - 8);
    const pointed = /\(row (\d+), column (\d+)\)/.exec(await page.locator("#readout").textContent());
    const [row, column] = [Number(pointed[1]), Number(pointed[2])];
    assert.equal(row, n - 1);
    assert.ok((await page.locator("#readout").textContent()).includes(head(5, 9)[row * n + column].toFixed(4)));
  });
});

test("lines and table tell the same", async () => {
  await withPage({}, async (page) => {
    const { n, tokens, head } = await getAttention(server.url, { text: SENTENCE });
    await small(page, 5, 9).click();
    await page.locator(".segments").getByText("Lines").click();
    await page.locator("#as-lines .matrix").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    const row = Array.from(head(5, 9).subarray(n, 2 * n));
    const best = row.indexOf(Math.max(...row));
    const said = `${tokens[1]} reads ${tokens[best]} ${row[best].toFixed(3)}`;
    assert.ok((await page.locator("#readout").textContent()).startsWith(said), said);
    await page.locator(".segments").getByText("Table").click();
    assert.equal(await page.locator("#strongest-rows tr").count(), n);
    const first = await page.locator("#strongest-rows tr").nth(1).locator("td").first().textContent();
    assert.equal(first, `${tokens[best]} ${row[best].toFixed(3)}`);
  });
});

test("a pair is shown as a pair, without special tokens when they are not wanted", async () => {
  await withPage({}, async (page) => {
    await page.locator("#pair").check();
    await answered(page, async () => {
      await page.locator("#first").fill("Who is tired?");
      await page.locator("#second").fill("The animal is.");
    });
    const item = { pair: { first: "Who is tired?", second: "The animal is." } };
    const { tokens, n, head } = await getAttention(server.url, item);
    assert.deepEqual(await page.locator("#tokens li").allTextContents(), tokens);
    assert.ok((await page.locator("#tokens li.second").count()) > 0);
    await page.locator("#special").uncheck();
    const special = tokens.map((text) => text === "[CLS]" || text === "[SEP]");
    const most = Math.max(...head(0, 0).filter((_, i) => !special[Math.floor(i / n)] && !special[i % n]));
    await page.waitForFunction((text) => document.getElementById("readout").textContent.includes(text), most.toFixed(3));
  });
});

test("maps leave as PNG, SVG and the JSON of bertviz", async () => {
  await withPage({}, async (page) => {
    const { n, layers, heads, tokens, head } = await getAttention(server.url, { text: SENTENCE });
    await small(page, 5, 9).click();
    const png = await download(page, "#export-png");
    assert.equal(png.name, "attention-layer-5-head-9.png");
    assert.equal(png.body.subarray(1, 4).toString(), "PNG");
    assert.ok(png.body.readUInt32BE(16) > 600);
    const svg = (await download(page, "#export-svg")).body.toString();
    const parsed = await page.evaluate((text) => new DOMParser().parseFromString(text, "image/svg+xml").querySelectorAll("path, text").length, svg);
    assert.ok(parsed > 2 * n, "well-formed, with labels and cells");
    const json = JSON.parse((await download(page, "#export-bertviz")).body.toString());
    assert.equal(json.attention.length, 1);
    assert.deepEqual(json.attention[0].left_text, tokens);
    for (let layer = 0; layer < layers; ++layer) {
      for (let index = 0; index < heads; ++index) {
        assert.deepEqual(Float32Array.from(json.attention[0].attn[layer][index].flat()), head(layer, index));
      }
    }
  });
});

test("what the server refuses is said at the field, and goes when it is corrected", async () => {
  await withPage({ expectErrors: true }, async (page) => {
    await page.locator("#first").fill("   ");
    await page.locator("#first-error").waitFor({ state: "visible" });
    assert.match(await page.locator("#first-error").textContent(), /\w{4}/);
    assert.equal(await page.locator("#first").getAttribute("aria-invalid"), "true");
    await answered(page, () => page.locator("#first").fill("Better."));
    assert.equal(await page.locator("#first-error").isHidden(), true);
    assert.equal(await page.locator("#first").getAttribute("aria-invalid"), null);
    await page.locator("#pair").check();
    await page.locator("#first").fill("");
    await page.locator("#second").fill("Only the second.");
    await page.locator("#first-error").waitFor({ state: "visible" });
  });
});

test("a text that is too long is cut, and the page says so", async () => {
  await withPage({}, async (page) => {
    await answered(page, () => page.locator("#first").fill("word ".repeat(400)));
    assert.match(await page.locator("#attention-status").textContent(), /256 tokens.* did not fit the model/);
  });
});

test("256 tokens stay smooth", async (t) => {
  await withPage({}, async (page) => {
    await page.evaluate(() => {
      window.tasks = [];
      window.frames = [];
      new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
      let last = performance.now();
      const frame = (now) => { window.frames.push(now - last); last = now; requestAnimationFrame(frame); };
      requestAnimationFrame(frame);
    });
    const measured = async (name, act) => {
      await page.evaluate(() => { window.tasks.length = 0; window.frames.length = 0; });
      await act();
      const { tasks, frames } = await page.evaluate(() => ({ tasks: window.tasks, frames: window.frames.slice(1) }));
      const sorted = frames.sort((a, b) => a - b);
      const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? 0;
      const longest = Math.max(0, ...tasks);
      t.diagnostic(`${name}: ${frames.length} frames, p95 ${p95.toFixed(1)} ms, longest task ${longest.toFixed(0)} ms`);
      return { p95, longest };
    };
    const arriving = await measured("256 tokens arriving", () => answered(page, () => page.locator("#first").fill("word ".repeat(300))));
    assert.ok(arriving.longest < 250, `a task of ${arriving.longest} ms`);
    const typing = await measured("typing meanwhile", async () => {
      await page.locator("#first").focus();
      for (const key of "smooth") await page.keyboard.press(key);
    });
    assert.ok(typing.longest < 150, `a task of ${typing.longest} ms while typing`);
    await page.locator("#as-map .matrix").focus();
    const moving = await measured("moving the cursor", async () => {
      for (let i = 0; i < 40; ++i) await page.keyboard.press(i % 2 ? "ArrowDown" : "ArrowRight");
    });
    assert.ok(moving.p95 < 60, `frames of ${moving.p95} ms`);
    assert.ok(moving.longest < 100, `a task of ${moving.longest} ms while moving`);
    assert.ok((await page.evaluate(() => document.querySelectorAll("*").length)) < 2000, "no element for each cell");
  });
});
