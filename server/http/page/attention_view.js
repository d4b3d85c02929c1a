// The attention explorer: what is typed goes to the worker, what comes back is shown small (overview) and large (detail).

import { sequential } from "./color.js";
import { announce, byId, debounced, h, showError } from "./dom.js";
import { Detail } from "./detail.js";
import { Overview } from "./overview.js";
import { scheme } from "./paint.js";
import { fieldOfAttention } from "./plan.js";
import { fillModels, modelNamed, session } from "./session.js";
import { Attention, countedTokens, tokenName } from "./tensor.js";

const TYPING_MS = 350;

export class AttentionView {
  constructor() {
    this.worker = new Worker(new URL("./attention_worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.receive(data));
    Object.assign(this, { id: 0, attention: null, failed: false });
    this.detail = new Detail();
    this.overview = new Overview({ root: byId("overview"), onChoose: (view) => this.choose(view) });
    this.typed = debounced(TYPING_MS, () => this.ask());
    this.listen();
  }

  listen() {
    const form = byId("attention-form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    for (const id of ["first", "second"]) {
      byId(id).addEventListener("input", () => this.typed());
      byId(id).addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.ask();
      });
    }
    byId("pair").addEventListener("change", () => {
      byId("second-field").hidden = !byId("pair").checked;
      if (byId("pair").checked && byId("second").value === "") byId("second").focus();
      else this.ask();
    });
    byId("attention-model").addEventListener("change", () => this.ask());
    byId("special").addEventListener("change", () => this.render());
    byId("scale").addEventListener("change", () => this.render());
    document.addEventListener("themechange", () => this.render());
    session.addEventListener("models", () => this.models());
    session.addEventListener("recovered", () => this.failed && this.ask());
  }

  models() {
    const before = modelNamed(byId("attention-model").value)?.fingerprint;
    fillModels(byId("attention-model"));
    if (session.usable().length === 0) this.say("No model answers yet.");
    else if (this.id === 0 || (this.fingerprint && this.fingerprint !== before)) this.ask();
  }

  item() {
    const [first, second] = [byId("first").value, byId("second").value];
    return byId("pair").checked && second.trim() !== "" ? { pair: { first, second } } : { text: first };
  }

  ask() {
    const model = modelNamed(byId("attention-model").value);
    if (!model) {
      this.say("No model answers yet.");
      // Perhaps for want of a key: asking for the list asks for that again.
      session.refresh().catch((error) => this.say(error.message));
      return;
    }
    this.clearErrors();
    this.failed = false;
    this.model = model;
    this.say("Asking the model …");
    this.worker.postMessage({ id: ++this.id, base: session.base, key: session.key, model, item: this.item() });
  }

  async receive(message) {
    if (message.id !== this.id) return;
    if (message.error) await this.refused(message.error);
    else if (message.tokens) this.tokens(message);
    else this.values(message);
  }

  tokens({ tokens, dropped, fingerprint }) {
    Object.assign(this, { pending: tokens, dropped, fingerprint });
    byId("tokens").replaceChildren(
      ...tokens.map((token) => h("li", { class: token.special ? "special" : token.typeId === 1 ? "second" : null }, tokenName(token))),
    );
    byId("tokens-field").hidden = false;
  }

  values({ values, derived, layers, heads, took }) {
    this.attention = new Attention(values, layers, heads, this.pending, derived);
    this.overview.prepare(layers, heads);
    byId("workspace").hidden = false;
    this.render();
    const cut = this.dropped > 0 ? ` ${this.dropped} more did not fit the model and were left out.` : "";
    const text = `${this.pending.length} tokens, ${layers} layers of ${heads} heads, ${Math.round(took)} ms.${cut}`;
    this.say(text);
    announce(text);
    document.dispatchEvent(new CustomEvent("attention", { detail: { id: this.id } }));
  }

  async refused(error) {
    this.failed = error.kind !== "refused";
    if (await session.mended(error)) {
      this.ask();
      return;
    }
    this.say(error.kind === "lost" ? "Not answered yet." : "");
    if (error.kind === "lost") return;
    const place = { first: "first", second: "second", model: "attention-model" }[fieldOfAttention(error.field)];
    showError(byId(place), byId(`${place}-error`), error.message);
    announce(error.message);
  }

  clearErrors() {
    for (const id of ["first", "second", "attention-model"]) showError(byId(id), byId(`${id}-error`), "");
  }

  say(text) {
    byId("attention-status").textContent = text;
  }

  choose(view) {
    this.detail.show(this.options(), view);
    if (matchMedia("(max-width: 960px)").matches) byId("detail").scrollIntoView({ block: "start" });
  }

  options() {
    const counted = countedTokens(this.attention.tokens, byId("special").checked);
    const ownScale = byId("scale").value === "own";
    return { attention: this.attention, counted, ownScale, table: sequential(scheme()), model: this.model };
  }

  render() {
    if (!this.attention) return;
    this.overview.show(this.options());
    this.detail.show(this.options(), this.overview.view);
  }
}
