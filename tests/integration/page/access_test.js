// Who can use the page: axe's rules in both colour schemes, the keyboard alone, a phone, less motion.

import AxeBuilder from "@axe-core/playwright";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { answered, launch, openPage, shown, small, startServer } from "./harness.js";

let server;
let browser;

before(async () => {
  [server, browser] = [await startServer(), await launch()];
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const VIEWS = {
  attention: (page) => shown(page),
  similarity: (page) => page.locator("#maps svg").waitFor(),
  server: (page) => page.locator("#models .model").first().waitFor(),
};

for (const colorScheme of ["light", "dark"]) {
  for (const [view, ready] of Object.entries(VIEWS)) {
    test(`axe finds nothing in ${view}, ${colorScheme}`, async () => {
      const { page, close } = await openPage(browser, server.url, { view, colorScheme });
      await ready(page);
      const forms = view === "attention" ? ["Map", "Lines", "Table"] : [null];
      for (const form of forms) {
        if (form) await page.locator(".segments").getByText(form).click();
        const { violations } = await new AxeBuilder({ page }).analyze();
        const found = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html).join(" ")}`);
        assert.deepEqual(found, []);
      }
      await close();
    });
  }
}

test("the theme follows the system until it is chosen, and stays chosen", async () => {
  const { page, close } = await openPage(browser, server.url, { colorScheme: "dark" });
  await shown(page);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const corner = () => small(page, 0, 2).locator("canvas").evaluate((canvas) => [...canvas.getContext("2d").getImageData(3, 0, 1, 1).data]);
  const [dark, mapInDark] = [await paper(), await corner()];
  await page.locator("#theme").selectOption("light");
  assert.notEqual(await paper(), dark);
  await page.waitForFunction(() => !document.getElementById("overview").ariaBusy);
  assert.ok((await corner())[0] > mapInDark[0] + 100, "maps change with it");
  await page.reload();
  assert.notEqual(await paper(), dark);
  await page.locator("#theme").selectOption("auto");
  assert.equal(await paper(), dark);
  await close();
});

test("everything is reached and done with the keyboard", async () => {
  const { page, close } = await openPage(browser, server.url);
  await shown(page);
  const focused = () => page.evaluate(() => {
    const { id, textContent, ariaLabel, className, value } = document.activeElement;
    return id || ariaLabel || className || value || textContent;
  });
  const seen = [];
  for (let i = 0; i < 26; ++i) {
    await page.keyboard.press("Tab");
    const outline = await page.evaluate(() => {
      const target = document.activeElement.matches(".segments input") ? document.activeElement.nextElementSibling : document.activeElement;
      const style = getComputedStyle(target);
      return document.activeElement === document.body || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
    });
    seen.push(await focused());
    assert.ok(outline, `${seen.at(-1)} shows no focus`);
    if (seen.at(-1).startsWith("layer 0, head 0")) {
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("Enter");
      assert.equal(await page.locator("#detail-title").textContent(), "Layer 1, head 1");
    }
  }
  for (const wanted of ["first", "pair", "attention-model", "special", "scale", "zoom-in", "export-png", "export-bertviz"]) {
    assert.ok(seen.includes(wanted), `${wanted} is not among ${seen}`);
  }
  assert.ok(seen.some((name) => name.startsWith("Attention map.")), "the map");
  await page.locator("#first").focus();
  await page.keyboard.press("Control+A");
  await answered(page, async () => {
    await page.keyboard.type("Typed by hand.");
    await page.keyboard.press("Control+Enter");
  });
  assert.match(await page.locator("#announcer").textContent(), /tokens, 6 layers of 12 heads/);
  await close();
});

test("a phone needs no sideways scrolling", async () => {
  for (const view of Object.keys(VIEWS)) {
    const { page, close } = await openPage(browser, server.url, { view, viewport: { width: 360, height: 740 }, hasTouch: true });
    await VIEWS[view](page);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${view} is ${wide} px wide`);
    await close();
  }
});

test("nothing moves for those who want no motion", async () => {
  const { page, close } = await openPage(browser, server.url, { reducedMotion: "reduce" });
  await shown(page);
  const moving = await page.evaluate(() =>
    [...document.querySelectorAll("*")].filter((each) => getComputedStyle(each).transitionDuration !== "0s").length);
  assert.equal(moving, 0);
  await close();
});
