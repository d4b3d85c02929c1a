// What all views share: the models, the API key (kept for this tab only), and whether the server answers. Events: "models"
// when the list has come, "recovered" when the server answers again after it did not.

import { call, modelOf, native } from "./api.js";
import { byId, announce } from "./dom.js";

const KEY = "attendant-api-key";
const LOADING_MS = 2000; // between two looks at models of which none answers yet
const WAITS_MS = [1000, 2000, 4000, 8000, 15000];

class Session extends EventTarget {
  models = [];
  base = document.baseURI;
  lost = false;
  answeredAt = 0;

  get key() {
    return sessionStorage.getItem(KEY) ?? "";
  }

  // As api.call; asks for a key when the server wants one, and tells of a server that does not answer.
  async call(request) {
    for (let tries = 1; ; ++tries) {
      const began = performance.now();
      try {
        const answer = await call({ ...request, base: this.base, key: this.key });
        this.answered();
        return answer;
      } catch (error) {
        if (error.kind === "refused" || error.kind === "key") this.answered();
        // The server has answered others meanwhile: this question was asked while it was away.
        if (error.kind === "lost" && this.answeredAt > began && tries === 1) continue;
        if (!(await this.mended(error))) throw error;
      }
    }
  }

  // Whether it is worth asking again now.
  async mended(error) {
    if (error.kind === "lost") this.disconnected();
    return error.kind === "key" && this.askKey(error.message);
  }

  async refresh() {
    const answer = await this.call({ path: native("ListModels"), body: {} });
    this.models = (answer.models ?? []).map(modelOf);
    this.dispatchEvent(new Event("models"));
    clearTimeout(this.waiting);
    if (this.usable().length === 0) this.waiting = setTimeout(() => this.refresh().catch(() => {}), LOADING_MS);
  }

  usable() {
    return this.models.filter((model) => model.state === "ready");
  }

  // One question at a time, whoever needs the answer. Resolves to whether there is a new key.
  askKey(message) {
    this.asking ??= this.showDialog(message).finally(() => (this.asking = null));
    return this.asking;
  }

  showDialog(message) {
    const dialog = byId("key-dialog");
    const input = byId("key");
    byId("key-reason").textContent = message;
    input.value = "";
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        const given = dialog.returnValue === "use" && input.value.trim() !== "";
        if (given) sessionStorage.setItem(KEY, input.value.trim());
        input.value = "";
        resolve(given);
      }, { once: true });
    });
  }

  disconnected() {
    if (this.lost) return;
    this.lost = true;
    this.attempt = 0;
    announce("The server does not answer. This page keeps trying.");
    this.tryLater();
  }

  tryLater() {
    const wait_ms = WAITS_MS[Math.min(this.attempt++, WAITS_MS.length - 1)];
    this.showBanner(`The server does not answer. Trying again every ${Math.round(wait_ms / 1000)} s.`);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.tryNow(), wait_ms);
  }

  async tryNow() {
    clearTimeout(this.timer);
    try {
      await this.refresh();
    } catch {
      if (this.lost) this.tryLater();
    }
  }

  answered() {
    this.answeredAt = performance.now();
    if (!this.lost) return;
    this.lost = false;
    clearTimeout(this.timer);
    byId("connection").hidden = true;
    announce("The server answers again.");
    this.dispatchEvent(new Event("recovered"));
  }

  showBanner(text) {
    byId("connection-text").textContent = text;
    byId("connection").hidden = false;
  }
}

export const session = new Session();

// Fills a select with the models that answer; keeps what was chosen.
export function fillModels(select, { none = null } = {}) {
  const before = select.value;
  const options = session.usable().map((model) => new Option(`${model.name} (${model.precision})`, model.name));
  if (none !== null) options.unshift(new Option(none, ""));
  select.replaceChildren(...options);
  const standard = session.usable().find((model) => model.isDefault);
  const names = options.map((each) => each.value);
  select.value = names.includes(before) ? before : none !== null ? "" : (standard?.name ?? names[0] ?? "");
}

export function modelNamed(name) {
  return session.models.find((model) => model.name === name);
}
