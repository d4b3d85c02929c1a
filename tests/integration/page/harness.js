// A real server, a real browser (Debian's Chromium, headless), and what every test of the page wants of them.
//
// ATTENDANT_SERVER_BINARY and ATTENDANT_TEST_MODEL_DIR say which server and model; CHROMIUM another browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

const MODEL = process.env.ATTENDANT_TEST_MODEL_DIR;
const BINARY = process.env.ATTENDANT_SERVER_BINARY;

function ports(file) {
  try {
    return Object.fromEntries(readFileSync(file, "utf8").trim().split("\n").map((line) => line.split("=")));
  } catch {
    return {};
  }
}

// Starts a server with the model in fp32 and in int8; resolves when it has written its ports.
export async function startServer({ httpPort = 0, flags = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "attendant-page-"));
  const file = join(folder, "ports");
  const child = spawn(BINARY, [
    "--model", `fp32=${MODEL},precision=fp32`, "--model", `int8=${MODEL},precision=int8`,
    "--grpc-address", "127.0.0.1:0", "--metrics-address", "off", "--http-address", `127.0.0.1:${httpPort}`,
    "--port-file", file, ...flags,
  ], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (data) => (log += data));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve, reject) => {
    const watcher = watch(folder, () => ports(file).http && resolve(watcher.close()));
    ended.then((status) => reject(new Error(`the server ended with ${status}: ${log}`)));
  });
  const port = Number(ports(file).http);
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: `http://127.0.0.1:${port}/`, port, stop };
}

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
}

// A page in a context of its own. What it may not do, ever: write errors to the console, ask anybody else.
export async function openPage(browser, url, { view = "attention", expectErrors = false, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  await page.addInitScript(() => {
    window.answers = { attention: 0, similarity: 0 };
    for (const kind of Object.keys(window.answers)) document.addEventListener(kind, () => ++window.answers[kind]);
  });
  const problems = [];
  page.on("console", (message) => {
    // A browser writes every answer over 399 to the console by itself, and what it thinks of tests that read canvases.
    const expected = (expectErrors && /Failed to load resource/.test(message.text())) || /willReadFrequently/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !expected) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("blob:")) problems.push(`asked ${request.url()}`);
  });
  await page.goto(`${url}#${view}`);
  return { page, close: async () => { await context.close(); assert.deepEqual(problems, []); } };
}

// How often the page has shown an answer of that kind ("attention", "similarity") so far.
const answers = (page, kind) => page.evaluate((name) => window.answers[name], kind);

// Waits until the page has shown more than `known` answers, and has drawn them.
export async function shown(page, { kind = "attention", known = 0 } = {}) {
  await page.waitForFunction(
    ([name, count]) => window.answers[name] > count && !document.getElementById("overview").ariaBusy,
    [kind, known],
  );
}

// Does what makes the page ask, and waits for what it shows then.
export async function answered(page, act, kind = "attention") {
  const known = await answers(page, kind);
  await act();
  await shown(page, { kind, known });
}

export async function ask(url, path, body, key = "") {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return response.json();
}

export function floats(base64) {
  const bytes = Buffer.from(base64, "base64");
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
}

// {tokens, heads(layer, head) -> Float32Array [n, n]} as the server answers it, read without the page's code.
export async function getAttention(url, item, model = "fp32") {
  const { header, values_base64 } = await ask(url, "attendant/v1/GetAttention", { model, item });
  const values = floats(values_base64);
  const [layers, heads, n] = header.shape;
  const head = (layer, index) => values.subarray((layer * heads + index) * n * n, (layer * heads + index + 1) * n * n);
  return { tokens: header.tokens.map(({ text }) => text), layers, heads, n, head };
}

export const small = (page, layer, column) =>
  page.locator(`#overview [role="row"]:nth-child(${layer + 2}) [role="gridcell"]`).nth(column).locator("button");

export async function download(page, button) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(button)]);
  return { name: file.suggestedFilename(), body: readFileSync(await file.path()) };
}
